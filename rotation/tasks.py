"""What the Celery worker runs. A task carries an id and means that something is due; the table says what."""

import socket
from os import getpid

from celery import shared_task

from rotation import engine, wake


@shared_task(name=wake.ROTATE)
def rotate(job_id: str) -> None:
    engine.work(worker=f"{socket.gethostname()}/{getpid()}")
