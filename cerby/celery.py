"""The Celery application. Tasks carry ids only; the tables are the queue."""

from celery import Celery

app = Celery("cerby")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
