"""The four writes a client can ask for, as the views and Bulk do them: one transaction each, logged within it.

A departure is the exception on purpose: access ends and is committed first, and what else the request says of the
leaver follows, so that neither a conflict in a profile nor anything else that is refused gives access back.
"""

from collections.abc import Callable

from django.http import HttpRequest

from scim import etags, events
from scim.kinds import Adapter, Kind
from scim.messages import Json, Message, check_schemas
from scim.models import Operation
from workspace.db.unit_of_work import atomic


def create(kind: Kind, request: HttpRequest, document: Json) -> Adapter:
    """POST (RFC 7644 section 3.3)."""
    adapter = kind.new(request)
    check_schemas(document)
    adapter.from_dict(document)
    with atomic():
        adapter.save()
        _log(request, Operation.CREATE, kind, adapter, 201)
    return adapter


def replace(kind: Kind, request: HttpRequest, identifier: str, message: Message, *, if_match: str = "") -> Adapter:
    """PUT (section 3.5.1). Raises 412 when the resource is not one of `if_match`."""
    return _write(kind, request, identifier, Operation.REPLACE, if_match, lambda adapter: adapter.replace(message))


def modify(kind: Kind, request: HttpRequest, identifier: str, message: Message, *, if_match: str = "") -> Adapter:
    """PATCH (section 3.5.2), applied to the resource as it is once it is locked, so that two of them lose nothing."""
    return _write(kind, request, identifier, Operation.MODIFY, if_match, lambda adapter: adapter.modify(message))


def remove(kind: Kind, request: HttpRequest, identifier: str, *, if_match: str = "") -> None:
    """DELETE (section 3.6)."""
    _write(kind, request, identifier, Operation.DELETE, if_match, lambda adapter: adapter.delete())


def _write(
    kind: Kind, request: HttpRequest, identifier: str, operation: Operation, if_match: str,
    act: Callable[[Adapter], None],
) -> Adapter:  # fmt: skip
    with atomic():
        adapter = kind.locked(request, identifier)
        etags.require(adapter.version, if_match)
        act(adapter)
        _log(request, operation, kind, adapter, 204 if operation is Operation.DELETE else 200)
    adapter.finish()
    return adapter


def _log(request: HttpRequest, operation: Operation, kind: Kind, adapter: Adapter, status: int) -> None:
    events.record_write(
        request, operation, kind.name, adapter.obj.pk, status=status, attributes=sorted(adapter.changed)
    )
