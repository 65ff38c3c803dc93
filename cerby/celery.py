"""The Celery application. Tasks carry ids only; the tables are the queue."""

import os
import sys
from typing import Final

from celery import Celery
from celery.signals import heartbeat_sent, task_prerun
from django.db import close_old_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cerby.settings")
app = Celery("cerby")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Celery would close the database's connection around each task; a login and the statements prepared anew cost more than
# most tasks. As with requests, what is too old or broken is closed before the next one.
app.conf.update(CELERY_DB_REUSE_MAX=sys.maxsize)
app.autodiscover_tasks()


# Celery beats every two seconds while its main loop runs.
HEARD_SECONDS: Final = 30


@heartbeat_sent.connect
def be_heard(**_: object) -> None:
    from workspace import heartbeats  # needs the settings, which this module is imported before

    heartbeats.beat(heartbeats.Process.WORKER, HEARD_SECONDS)


@task_prerun.connect
def begin_like_a_request(**_: object) -> None:
    close_old_connections()
