"""SCIM errors: what a request is answered with when it cannot be done (RFC 7644 section 3.12).

`detail` is read by an Okta administrator, behind "Errors reported by remote server:". It names attributes,
operators and limits; it never repeats a value out of the request, because a value may be a password.
"""

from typing import Any

from django_scim.exceptions import SCIMException

ERROR_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"
_SHOWN_CHARACTERS = 80


def shown(name: object) -> str:
    """A name out of the request, made safe for a detail, a log line and a page: printable and short."""
    text = str(name)
    printable = "".join(c if c.isprintable() else "?" for c in text[:_SHOWN_CHARACTERS])
    return printable + ("…" if len(text) > _SHOWN_CHARACTERS else "")


class ScimError(SCIMException):  # type: ignore[misc]  # django-scim2 carries no types
    """An answer with `status`, `scim_type` (a keyword of RFC 7644 table 9, or None) and `detail`.

    Subclasses SCIMException, so that django-scim2's views answer with it as it stands.
    """

    status: int = 400
    scim_type: str | None = None
    detail: str

    def __init__(self, detail: str, *, status: int | None = None, scim_type: str | None = None) -> None:
        super().__init__(detail, status=status, schemas=[ERROR_SCHEMA], scim_type=scim_type)

    def to_dict(self) -> dict[str, Any]:
        """The body of RFC 7644 section 3.12; `status` is a string there, which django-scim2 gets wrong."""
        body: dict[str, Any] = {"schemas": [ERROR_SCHEMA], "status": str(self.status), "detail": self.detail}
        if self.scim_type:
            body["scimType"] = self.scim_type
        return body


class InvalidFilter(ScimError):
    """The filter is malformed, too large, or compares what cannot be compared."""

    scim_type = "invalidFilter"


class InvalidPath(ScimError):
    """The `path` of a PATCH operation is malformed or names an attribute that does not exist."""

    scim_type = "invalidPath"


class InvalidValue(ScimError):
    """A value is missing or not of the attribute's type."""

    scim_type = "invalidValue"


class InvalidSyntax(ScimError):
    """The message does not have the structure the RFC asks for."""

    scim_type = "invalidSyntax"


class NoTarget(ScimError):
    """The path yields nothing that could be operated on."""

    scim_type = "noTarget"


class Mutability(ScimError):
    """The attribute is read-only."""

    scim_type = "mutability"


class TooMany(ScimError):
    """The request asks for more than the server is willing to answer or to do at once."""

    scim_type = "tooMany"


class Uniqueness(ScimError):
    """Another resource holds the value already: 409."""

    status = 409
    scim_type = "uniqueness"
