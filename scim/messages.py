"""What a PUT, a PATCH or a Bulk came with: a document to act on, or why it is refused and what it says all the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from scim import loose_json
from scim.definitions import USER_URN
from scim.errors import InvalidSyntax, ScimError
from scim.filters import get
from scim.http import read_object
from scim.projection import Projection

Json = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """`body` is any JSON. With a `refusal` nothing of it is done, except that access ends where it says so clearly."""

    body: Any
    refusal: ScimError | None = None

    def document(self) -> Json:
        """The body, to be acted on. Raises the refusal, or InvalidSyntax for `schemas` that are none."""
        if self.refusal is not None:
            raise self.refusal
        check_schemas(self.body)
        document: Json = self.body
        return document


def read(request: HttpRequest, *, projected: bool = False) -> Message:
    """The body of a request; `projected` says that the query names attributes to answer with.

    Raises the refusal itself where the body is no JSON: then it says nothing.
    """
    try:
        if projected:
            Projection.asked(request.GET.dict())
        return Message(read_object(request))
    except ScimError as refusal:
        try:
            return Message(loose_json.read(request.body), refusal)
        except ValueError:
            raise refusal from None


def check_schemas(document: Mapping[str, Any]) -> None:
    """Raises InvalidSyntax for `schemas` that are no list of URNs (RFC 7643 section 3). Some clients send none, or
    null, which is the same (section 2.5)."""
    for name, value in document.items():
        if name.lower() == "schemas" and value is not None and not _are_texts(value):
            raise InvalidSyntax(f'schemas must be a list of URNs, such as ["{USER_URN}"].')


def require_schema(document: Mapping[str, Any], urn: str, what: str) -> None:
    """Raises InvalidSyntax unless `schemas` hold this URN."""
    check_schemas(document)
    if urn not in (get(document, "schemas") or []):
        raise InvalidSyntax(f"A {what} needs the schema {urn}.")


def operations_of(message: Mapping[str, Any]) -> Any:
    """The Operations of a PatchOp. Raises InvalidSyntax without."""
    operations = get(message, "Operations")
    if operations is None:
        raise InvalidSyntax("A PATCH needs a list of Operations.")
    return operations


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
