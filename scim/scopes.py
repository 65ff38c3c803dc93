"""What a SCIM token is for: what it reads and what it changes, and what is said to who asks it for more.

A person comes with the names of their teams and a team with those of its members, whatever the token. A token for
teams reads people, since teams consist of them and Okta's connection test lists them. Roles and entitlements are
about people. What describes the server (/ServiceProviderConfig, /Schemas, /ResourceTypes) is open to every token.
"""

from typing import Final

from django.db.models import Q

from scim.errors import ScimError
from scim.models import Operation, ScimToken, Scope
from workspace import notices
from workspace.models import Notice

USER: Final = "User"
GROUP: Final = "Group"
_READ: Final = {Scope.ALL: {USER, GROUP}, Scope.USERS: {USER}, Scope.GROUPS: {USER, GROUP}, Scope.READ: {USER, GROUP}}
_CHANGED: Final[dict[str, set[str]]] = {
    Scope.ALL: {USER, GROUP}, Scope.USERS: {USER}, Scope.GROUPS: {GROUP}, Scope.READ: set()
}  # fmt: skip
_NAMES: Final = {USER: "people", GROUP: "teams"}
_IS: Final = {Scope.USERS: "for people only", Scope.GROUPS: "for teams only", Scope.READ: "read-only"}
_SWITCHES: Final = {
    USER: "switch off Create Users, Update User Attributes and Deactivate Users under Provisioning → To App",
    GROUP: "deactivate what stands under Push Groups, and untick Import Groups under Integration",
}
_WITHOUT: Final = {
    Scope.USERS: "nobody is provisioned and nobody is disabled",
    Scope.GROUPS: "no team follows its group",
    Scope.READ: "nothing can be read",
}
CHANGES_PEOPLE: Final = Q(scope__in=[scope for scope, kinds in _CHANGED.items() if USER in kinds])


class OutOfScope(ScimError):
    """The token is good, and not for this: 403, with what to do in Okta."""

    status = 403


def reads(token: ScimToken, kind: str) -> bool:
    return kind in _READ[Scope(token.scope)]


def changes(token: ScimToken, kind: str) -> bool:
    return kind in _CHANGED[token.scope]


def require_read(token: ScimToken, kind: str) -> None:
    """Raises OutOfScope for a token that may not read resources of that kind (`User`, `Group`)."""
    if not reads(token, kind):
        raise OutOfScope(_detail(token, kind, "neither read nor change"))


def require_change(token: ScimToken, kind: str) -> None:
    """Raises OutOfScope for a token that may not change resources of that kind."""
    if not changes(token, kind):
        raise OutOfScope(_detail(token, kind, "not change" if reads(token, kind) else "neither read nor change"))


def permits(token: ScimToken, operation: str, kind: str) -> bool:
    """Whether a token may do what the provisioning log says; a request about no kind in particular was a search or
    an operation of Bulk whose resource was not made yet."""
    if kind not in _NAMES:
        return token.scope == Scope.ALL or operation == Operation.READ
    return reads(token, kind) if operation == Operation.READ else changes(token, kind)


def without(token: ScimToken) -> str:
    """What does not happen any more without such a token."""
    return _WITHOUT.get(Scope(token.scope), _WITHOUT[Scope.USERS])


def tell_owners(token: ScimToken) -> None:
    """That the identity provider was refused for the sake of a token's scope: it may have been somebody's departure."""
    notices.tell(
        token.workspace, Notice.Kind.TOKEN_REFUSED, token,
        summary=f"The SCIM token “{token.label}” is {_IS[Scope(token.scope)]}, and your identity provider asked for"
        " more. If that was a departure, the person still has access: see the provisioning log.",
    )  # fmt: skip


def _detail(token: ScimToken, kind: str, may: str) -> str:
    return (
        f"This token is {_IS[Scope(token.scope)]}: it may {may} {_NAMES[kind]}. Issue one for people and teams in Cerby"
        f" (SCIM tokens) and enter it under Provisioning → Integration → Edit; or {_SWITCHES[kind]}."
    )
