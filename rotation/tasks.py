"""What the Celery worker runs. A task carries an id and means that something is due; the table says what."""

import socket
from os import getpid

from celery import shared_task

from rotation import engine, verification, wake
from workspace.models import Account


@shared_task(name=wake.ROTATE)
def rotate(job_id: str) -> None:
    engine.work(worker=f"{socket.gethostname()}/{getpid()}")


@shared_task(name=wake.VERIFY)
def verify(account_id: str) -> None:
    account = Account.objects.select_related("workspace").filter(pk=account_id, archived_at=None).first()
    if account is not None:
        verification.check_if_due(account)
