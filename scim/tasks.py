"""What the Celery worker runs for the door. A task carries an id and means that something is due."""

from uuid import UUID

from celery import shared_task

from scim import switch_off


@shared_task(name=switch_off.TASK)
def go_on_switching_off(switch_off_id: str) -> None:
    switch_off.work(UUID(switch_off_id))
