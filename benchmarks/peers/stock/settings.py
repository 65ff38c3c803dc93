"""Settings of the smallest project. Where a choice was free, it is the one that favours this peer.

Two middlewares instead of the seven of `startproject`; a token compared with a constant instead of a query; the
connection to the database kept, as Cerby keeps it, instead of opened anew for each request.
"""

import os
from urllib.parse import unquote, urlsplit

_url = urlsplit(os.environ["DATABASE_URL"])

SECRET_KEY = "signs nothing: there are no sessions"  # noqa: S105
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_scim", "benchmarks.peers.stock"]
MIGRATION_MODULES = {"auth": None, "contenttypes": None}  # tables as the models are now, without their history
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "benchmarks.peers.stock.middleware.Token"]
ROOT_URLCONF = "benchmarks.peers.stock.urls"
AUTH_USER_MODEL = "stock.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url.path.lstrip("/"),
        "USER": unquote(_url.username or ""),
        "PASSWORD": unquote(_url.password or ""),
        "HOST": _url.hostname,
        "PORT": _url.port,
        "CONN_MAX_AGE": 600,
    }
}
SCIM_SERVICE_PROVIDER = {
    "NETLOC": "127.0.0.1",
    "SCHEME": "http",
    "GROUP_MODEL": "benchmarks.peers.stock.models.Group",
    "AUTHENTICATION_SCHEMES": [{"type": "oauth2", "name": "OAuth 2", "description": "A bearer token"}],
}
