"""What the Celery worker runs. Tasks carry an id; the table says what is to be done."""

import socket
from os import getpid
from uuid import UUID

from celery import shared_task

from rotation import engine, jobs


@shared_task(name=jobs.TASK)
def rotate(job_id: str) -> None:
    engine.run(UUID(job_id), worker=f"{socket.gethostname()}/{getpid()}")
