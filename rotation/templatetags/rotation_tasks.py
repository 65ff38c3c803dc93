"""What a page of the web app may say about the tasks of whoever looks at it."""

from django import template

from rotation import manual
from workspace.models import User

register = template.Library()


@register.simple_tag
def waiting_tasks(user: User) -> int:
    """How many rotations wait for this person; one statement."""
    return manual.waiting_for(user).count()
