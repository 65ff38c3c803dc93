"""The one tree of errors. Verbs raise these; each entry point translates them into its caller's protocol.

`detail` is written for the person who has to act on it (an Okta administrator, an Owner, support staff) and
never contains a secret.
"""


class CerbyError(Exception):
    """Base of everything the product raises on purpose."""

    code = "error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFound(CerbyError):
    """Nothing of that identity in this workspace. Another tenant's id is this error too."""

    code = "not_found"


class Invalid(CerbyError):
    """The caller's input cannot be accepted; `field` names the part that is wrong, when there is one."""

    code = "invalid"

    def __init__(self, detail: str, *, field: str = "") -> None:
        super().__init__(detail)
        self.field = field


class Conflict(CerbyError):
    """The change collides with something that exists, such as a userName taken."""

    code = "conflict"


class Refused(CerbyError):
    """The caller is known and may not do this, or it must not be done now."""

    code = "refused"


class Undecryptable(CerbyError):
    """A sealed secret cannot be opened: wrong key, or bytes moved from another account. Never handed on."""

    code = "undecryptable"
