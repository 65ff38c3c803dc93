"""Many writes in one request (RFC 7644 section 3.7): references by bulkId in any order, circular ones too.

Each operation is a transaction of its own, as the RFC has it; what failed says so in its place. An operation waits
until those it refers to are done. In a circle (two people, each the other's manager) one is made without what
refers to the other, and completed once both exist.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django_scim.exceptions import SCIMException

from scim import bulk_leavers, events, writes
from scim.errors import InvalidSyntax, InvalidValue, ScimError
from scim.filters import get
from scim.http import translated
from scim.kinds import KINDS, Kind
from scim.leavers import AccessEnded
from scim.messages import Message, require_schema
from scim.paging import resource_location
from scim.schemas import BULK_REQUEST_URN, BULK_RESPONSE_URN
from workspace.errors import CerbyError

_REFERENCE: Final = re.compile(r"bulkId:([^\"/\]\s]+)")
_PATH: Final = re.compile(r"/?(Users|Groups)(?:/([^/?]+))?", re.IGNORECASE)
_STATUS: Final = {"POST": 201, "PUT": 200, "PATCH": 200, "DELETE": 204}


@dataclass
class Operation:
    """One element of Operations, with its answer once there is one. `target` is the id in its path, `version` the one
    it was sent with, `made_version` the one that it made."""

    method: str
    kind: Kind
    target: str
    bulk_id: str
    data: Any
    version: str
    status: int = 0
    made_version: str = ""
    error: ScimError | None = None

    @cached_property
    def references(self) -> set[str]:
        """The bulkIds it refers to, as it was sent."""
        return set(_REFERENCE.findall(self.target)).union(*(_REFERENCE.findall(text) for text in _texts(self.data)))

    @property
    def references_to_others(self) -> set[str]:
        """Without what it makes itself: it would wait for that in vain."""
        return self.references - {self.bulk_id} if self.method == "POST" else self.references

    def answer(self) -> dict[str, Any]:
        """Its element of the BulkResponse."""
        body: dict[str, Any] = {"method": self.method, "status": str(self.status)}
        if self.bulk_id:
            body["bulkId"] = self.bulk_id
        if self.target and not _REFERENCE.search(self.target):
            body["location"] = resource_location(self.kind.endpoint, self.target)
        if self.made_version:
            body["version"] = self.made_version
        if self.error is not None:
            body["response"] = self.error.to_dict()
        return body


def run(request: HttpRequest, message: Message) -> dict[str, Any]:
    """Do a BulkRequest; the BulkResponse. Raises InvalidSyntax, InvalidValue, or 413 for too many operations.

    Then nothing of it is done, except that the access of those ends who leave by one of its operations.
    """
    try:
        batch = _read(request, message)
    except ScimError as refusal:
        raise bulk_leavers.refused(request, message.body, refusal) from refusal
    batch.run()
    answered = [operation.answer() for operation in batch.operations if operation.status]
    return {"schemas": [BULK_RESPONSE_URN], "Operations": answered}


def _read(request: HttpRequest, message: Message) -> "_Bulk":
    document = message.document()
    require_schema(document, BULK_REQUEST_URN, "bulk request")
    given = get(document, "Operations")
    if not isinstance(given, list) or not given:
        raise InvalidSyntax("A bulk request needs a list of Operations.")
    if len(given) > settings.SCIM_BULK_OPERATIONS:
        limit = f"At most {settings.SCIM_BULK_OPERATIONS} operations are done in one request."
        raise ScimError(limit, status=413, scim_type="tooMany")
    allowed = get(document, "failOnErrors")
    if allowed is not None and (not isinstance(allowed, int) or isinstance(allowed, bool) or allowed < 0):
        raise InvalidValue("failOnErrors must be a whole number.")
    operations = [_operation(raw, place) for place, raw in enumerate(given, 1)]
    made = [operation.bulk_id for operation in operations if operation.method == "POST"]
    if len(set(made)) != len(made):
        raise InvalidValue("Two operations have the same bulkId.")
    return _Bulk(request, operations, allowed or 0)


@dataclass
class _Bulk:
    """The operations of a request while they are done; `made` maps a bulkId to the id of what it made."""

    request: HttpRequest
    operations: list[Operation]
    fail_on_errors: int
    made: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        waiting, circular = list(self.operations), []
        while waiting and not self._stopped():
            coming = {item.bulk_id for item in waiting if item.method == "POST"}
            free = (item for item in waiting if not item.references_to_others & coming)
            circle = (item for item in waiting if item.method == "POST")  # what refers to one waits until it is made
            ready = next(chain(free, circle))
            waiting.remove(ready)
            later = ready.references & coming
            self._perform(ready, later)
            if later and ready.error is None:
                circular.append(ready)
        for operation in circular:
            self._complete(operation)

    def _stopped(self) -> bool:
        """A departure that was done is no error to stop at, whatever else of its operation is refused."""
        errors = [operation.error for operation in self.operations if operation.error is not None]
        return 0 < self.fail_on_errors <= sum(not isinstance(error, AccessEnded) for error in errors)

    def _perform(self, operation: Operation, later: set[str]) -> None:
        """Do an operation but for what refers to one of `later`, which do not exist yet."""
        try:
            operation.target = self._resolved(operation.target)
            self._write(operation, _without_references(operation.data, later) if later else operation.data)
            operation.status = _STATUS[operation.method]
            if operation.method == "POST":
                self.made[operation.bulk_id] = operation.target
        except (CerbyError, SCIMException) as error:
            self._fail(operation, translated(error))

    def _complete(self, operation: Operation) -> None:
        """Write what had to be left out while the other end of a circle did not exist."""
        try:
            message = self._message(operation.data)
            operation.made_version = writes.replace(operation.kind, self.request, operation.target, message).version
        except (CerbyError, SCIMException) as error:
            self._fail(operation, translated(error))

    def _write(self, operation: Operation, data: Any) -> None:
        kind, target, condition = operation.kind, operation.target, operation.version
        if operation.method == "DELETE":
            writes.remove(kind, self.request, target, if_match=condition)
            return
        message = self._message(data)
        if operation.method == "POST":
            written = writes.create(kind, self.request, message.document())
        elif operation.method == "PUT":
            written = writes.replace(kind, self.request, target, message, if_match=condition)
        else:
            written = writes.modify(kind, self.request, target, message, if_match=condition)
        operation.target, operation.made_version = str(written.obj.pk), written.version

    def _fail(self, operation: Operation, error: ScimError) -> None:
        path = f"/{operation.kind.endpoint}/{operation.target}"
        events.record_refusal(self.request, error, method=operation.method, path=path)
        operation.status, operation.error, operation.made_version = error.status, error, ""

    def _message(self, data: Any) -> Message:
        """The data with ids for bulkIds. One that refers to nothing is refused, and may still say who leaves."""
        try:
            return Message(self._resolved(data))
        except InvalidValue as refusal:
            return Message(data, refusal)

    def _resolved(self, value: Any) -> Any:
        """The value with bulkIds replaced by ids. Raises InvalidValue for one that nothing here made."""
        if isinstance(value, list):
            return [self._resolved(item) for item in value]
        if isinstance(value, dict):
            return {key: self._resolved(item) for key, item in value.items()}
        return _REFERENCE.sub(self._id_of, value) if isinstance(value, str) else value

    def _id_of(self, found: re.Match[str]) -> str:
        if found[1] not in self.made:
            raise InvalidValue("A bulkId is referred to that no operation of this request made.")
        return self.made[found[1]]


def _operation(raw: Any, place: int) -> Operation:
    """Read one element. Raises InvalidSyntax or InvalidValue naming its place; then nothing of the request is done."""
    if not isinstance(raw, dict):
        raise InvalidSyntax(f"Operation {place} must be an object.")
    method, path = str(get(raw, "method") or "").upper(), get(raw, "path")
    found = _PATH.fullmatch(path) if isinstance(path, str) else None
    if method not in _STATUS or found is None:
        raise InvalidValue(f"Operation {place} needs a method (POST, PUT, PATCH, DELETE) and a path such as /Users.")
    bulk_id, data = get(raw, "bulkId") or "", get(raw, "data")
    if not isinstance(bulk_id, str) or (method == "POST") is bool(found[2]) or (method == "POST" and not bulk_id):
        raise InvalidValue(f"Operation {place}: POST takes a bulkId and no id in its path, the others take an id.")
    if method != "DELETE" and not isinstance(data, dict):
        raise InvalidSyntax(f"Operation {place} needs an object as its data.")
    version = get(raw, "version")
    if version is not None and not isinstance(version, str):
        raise InvalidValue(f"Operation {place}: version must be a string, as it was in the resource's meta.")
    if_match = version if version and method != "POST" else ""
    return Operation(method, KINDS[found[1].lower()], found[2] or "", bulk_id, data, if_match)


def _without_references(data: Any, bulk_ids: set[str]) -> Any:
    """The data of what is made before these are. Raises InvalidValue where it is all one element with a reference."""
    kept = _without(data, bulk_ids)
    if kept is None:
        raise InvalidValue("An attribute of what an operation makes cannot be the bulkId of something made later.")
    return kept


def _without(value: Any, bulk_ids: set[str]) -> Any:
    """The value without the parts that refer to any of these: a reference takes its whole element with it."""
    if isinstance(value, list):
        return [kept for item in value if (kept := _without(item, bulk_ids)) is not None]
    if isinstance(value, dict):
        parts = {key: _without(item, bulk_ids) for key, item in value.items()}
        refers = any(part is None and isinstance(value[key], str) for key, part in parts.items())
        return None if refers else {key: part for key, part in parts.items() if part is not None}
    if isinstance(value, str) and bulk_ids.intersection(_REFERENCE.findall(value)):
        return None
    return value


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _texts(part)]
