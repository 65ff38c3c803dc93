"""The Celery application. Tasks carry ids only; the tables are the queue."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cerby.settings")
app = Celery("cerby")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
