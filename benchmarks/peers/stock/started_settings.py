"""Django's own defaults where `settings` chose what favours this peer. The token is compared with a constant still."""

from benchmarks.peers.stock import settings as favoured
from benchmarks.peers.stock.settings import *  # noqa: F403

INSTALLED_APPS = [*favoured.INSTALLED_APPS, "django.contrib.sessions", "django.contrib.messages"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "benchmarks.peers.stock.middleware.Token",
]
DATABASES = {"default": {**favoured.DATABASES["default"], "CONN_MAX_AGE": 0}}
