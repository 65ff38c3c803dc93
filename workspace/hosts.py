"""Which machines a workspace's targets may be on: names, `*.example.com` for every name below one, and addresses."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Final

from django.db import transaction

from workspace import audit
from workspace.audit import Actor
from workspace.errors import Invalid
from workspace.models import Workspace

MOST: Final = 200
_NAME: Final = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")


@transaction.atomic
def allow(workspace: Workspace, hosts: Iterable[str], *, actor: Actor) -> Workspace:
    """From now on targets may be on these hosts alone; none means on any. Unchanged is no event. Raises Invalid."""
    wanted = sorted({entry(host) for host in hosts})
    if len(wanted) > MOST:
        raise Invalid(f"At most {MOST} hosts can be listed; *.example.com stands for many.", field="hosts")
    workspace = Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    if workspace.target_hosts != wanted:
        workspace.target_hosts = wanted
        workspace.save(update_fields=["target_hosts"])
        audit.record(workspace, "workspace.hosts_allowed", workspace, actor=actor, hosts=wanted)
    return workspace


def entry(text: str) -> str:
    """One entry of the list as it is kept. Raises Invalid for what is no host."""
    found = _plain(text)
    if not found or len(found) > 253 or not (_is_address(found) or _NAME.fullmatch(found)):
        raise Invalid(
            f"“{text.strip()[:60]}” is no host. Enter names such as db.example.com, *.example.com, or addresses,"
            " without scheme and port.",
            field="hosts",
        )
    return found


def permits(allowed: Sequence[str], host: str) -> bool:
    """Whether a target may be on this host, by the name or address that its settings give."""
    name = _plain(host)
    below = (pattern[1:] for pattern in allowed if pattern.startswith("*."))
    return not allowed or name in allowed or any(name.endswith(end) and name != end for end in below)


def _plain(text: str) -> str:
    """The one spelling of a name or address: lower case, without the root's dot, IPv6 in its short form."""
    name = text.strip().lower().rstrip(".")
    return str(ipaddress.ip_address(name)) if _is_address(name) else name


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
