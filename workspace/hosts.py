"""Which machines a workspace's targets may be on: names, `*.example.com` for every name below one, and addresses."""

import re
from collections.abc import Iterable
from typing import Final

from workspace import audit
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.errors import Invalid
from workspace.host_names import is_address, permits, plain
from workspace.models import Workspace

__all__ = ["allow", "entry", "permits"]

MOST: Final = 200
_NAME: Final = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")


@atomic()
def allow(workspace: Workspace, hosts: Iterable[str], *, actor: Actor) -> Workspace:
    """From now on targets may be on these hosts alone; none means on any. Unchanged is no event. Raises Invalid."""
    wanted = sorted({entry(host) for host in hosts})
    if len(wanted) > MOST:
        raise Invalid(f"At most {MOST} hosts can be listed; *.example.com stands for many.", field="hosts")
    workspace = Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    if workspace.target_hosts != wanted:
        workspace.target_hosts = wanted
        workspace.save(update_fields=["target_hosts"])
        audit.record(workspace, Verb.WORKSPACE_HOSTS_ALLOWED, workspace, actor=actor, hosts=wanted)
    return workspace


def entry(text: str) -> str:
    """One entry of the list as it is kept. Raises Invalid for what is no host."""
    found = plain(text)
    if not found or len(found) > 253 or not (is_address(found) or _NAME.fullmatch(found)):
        raise Invalid(
            f"“{text.strip()[:60]}” is no host. Enter names such as db.example.com, *.example.com, or addresses,"
            " without scheme and port.",
            field="hosts",
        )
    return found
