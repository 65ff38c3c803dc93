"""Why a provisioning request was refused, in plain words, and what to do about it in Okta."""

from dataclasses import dataclass
from typing import Final

from scim import scopes
from scim.models import ProvisioningEvent


@dataclass(frozen=True)
class Cause:
    """`name` groups events of one cause; `words` says what happened, `remedy` what an administrator does."""

    name: str
    words: str
    remedy: str


_RETRY: Final = "Then open Dashboard → Tasks in Okta, select the failed task and choose Retry Selected."
_BY_TYPE: Final = {
    "uniqueness": Cause(
        "name taken",
        "A person or group with this userName, e-mail address or displayName is here already.",
        "If it is the same person, let Okta match instead of create: choose Provision User under the app's"
        " Assignments, or remove the assignment and add it again. If not, change one of the two names. " + _RETRY,
    ),
    "invalidFilter": Cause(
        "filter not understood",
        "The request asked for something that cannot be filtered on here.",
        "Set the unique identifier field for users to userName in the app's Integration tab.",
    ),
    "invalidValue": Cause(
        "value not accepted",
        "An attribute was missing, empty, too long or of the wrong type, or a group named people unknown here.",
        "The detail names the attribute; correct its mapping under Provisioning → To App → Attribute Mappings."
        " People must be assigned to the app before their group is pushed. " + _RETRY,
    ),
    "invalidPath": Cause(
        "attribute not known",
        "The request named an attribute that does not exist here.",
        "Remove the attribute's mapping under Provisioning → To App → Attribute Mappings. " + _RETRY,
    ),
    "invalidSyntax": Cause(
        "message not readable",
        "The request was not a SCIM message.",
        "Check that nothing between Okta and here changes it.",
    ),
    "mutability": Cause(
        "attribute is read-only",
        "The request tried to change what only Cerby may change.",
        "Remove the attribute's mapping under Provisioning → To App → Attribute Mappings. " + _RETRY,
    ),
    "tooMany": Cause(
        "too much at once", "The request was larger than is read here.", "Lower the batch size at the provider."
    ),
}
_BY_STATUS: Final = {
    401: Cause(
        "token refused",
        "The token was revoked or has expired.",
        "Issue a new token in Cerby, and paste it under Provisioning → Integration → Edit. " + _RETRY,
    ),
    403: Cause(
        "not allowed",
        "The workspace does not let the identity provider do this.",
        "Decide in Cerby whether the identity provider may make Owners, or unmap the role in Okta. " + _RETRY,
    ),
    404: Cause(
        "no such person or group",
        "Okta remembers somebody or something that is not here any more.",
        "Remove the assignment (or unlink the group) in Okta and add it again, so that Okta forgets the old id.",
    ),
    405: Cause(
        "method not served", "The request used a method that this address does not take.", "Check the base URL."
    ),
    412: Cause("changed meanwhile", "The resource had changed since the provider read it.", _RETRY),
    415: Cause("wrong content type", "The request was not JSON.", "Set the content type to application/scim+json."),
    429: Cause(
        "too many requests",
        "The token made more requests in a minute than are allowed.",
        "Nothing: Okta waits and tries again. If it happens daily, raise CERBY_SCIM_REQUESTS_PER_MINUTE.",
    ),
    500: Cause(
        "Cerby failed",
        "Something went wrong inside Cerby.",
        "Tell support the request id, which stands in Cerby's own log. " + _RETRY,
    ),
    501: Cause("not served", "The provider asked for something that is not served here.", "Check the base URL."),
    503: Cause("Cerby was not ready", "Cerby's database did not answer.", _RETRY),
}
_BEYOND_SCOPE: Final = Cause(
    "beyond the token's scope",
    "The token is read-only, or for people or teams only, and Okta asked it for something else. Nothing was changed.",
    "Issue a token for people and teams in Cerby, and paste it under Provisioning → Integration → Edit; or switch off"
    " in Okta what this token is not for. " + _RETRY,
)
_OTHER: Final = Cause("refused", "The request was refused; the detail says why.", _RETRY)


def of(event: ProvisioningEvent) -> Cause | None:
    """The cause of a refusal; None for an event that was none."""
    if event.status < 400:
        return None
    if event.status == 403 and not scopes.permits(event.token, event.operation, event.resource_type):
        return _BEYOND_SCOPE
    return _BY_TYPE.get(event.scim_type) or _BY_STATUS.get(event.status) or _OTHER
