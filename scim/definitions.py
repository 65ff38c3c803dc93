"""The schemas we serve, as RFC 7643 section 7 describes attributes. /Schemas answers these; PATCH and the documents
obey the same objects, so that what we say is what we do."""

from collections.abc import Iterable
from typing import Any, Final

from workspace.models import Role

USER_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_URN: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
ROLE_URN: Final = "urn:okta:scim:schemas:core:1.0:Role"
ENTITLEMENT_URN: Final = "urn:okta:scim:schemas:core:1.0:Entitlement"

Definition = dict[str, Any]


def attribute(name: str, description: str, *, kind: str = "string", **more: Any) -> Definition:
    """One attribute with the RFC's defaults: single, optional, read-write, returned, not unique, any letter case."""
    return {
        "name": name,
        "type": kind,
        "multiValued": False,
        "description": description,
        "required": False,
        "caseExact": False,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": "none",
        **more,
    }


def group(name: str, description: str, parts: Iterable[Definition], **more: Any) -> Definition:
    """A complex attribute."""
    return attribute(name, description, kind="complex", **more) | {"subAttributes": list(parts)}


def plural(name: str, description: str, types: Iterable[str] = (), **value: Any) -> Definition:
    """A multi-valued attribute with the sub-attributes of RFC 7643 section 2.4."""
    return group(
        name,
        description,
        [
            attribute("value", "The value itself.", **value),
            attribute("display", "The value as people read it."),
            attribute("type", "What the value is for.") | ({"canonicalValues": list(types)} if types else {}),
            attribute("primary", "Whether this is the preferred one; at most one is.", kind="boolean"),
        ],
        multiValued=True,
    )


def reference(description: str, *types: str, **more: Any) -> Definition:
    return attribute("$ref", description, kind="reference", caseExact=True, referenceTypes=list(types), **more)


_READ_ONLY: Final = {"mutability": "readOnly"}
_IMMUTABLE: Final = {"mutability": "immutable"}
EXTERNAL_ID: Final = attribute("externalId", "The identity provider's own id.", caseExact=True)

USER: Final[Definition] = {
    "id": USER_URN,
    "name": "User",
    "description": "A person of the workspace.",
    "attributes": [
        attribute("userName", "The name to sign in with; unique in the workspace.", required=True, uniqueness="server"),
        group(
            "name",
            "The parts of the person's name.",
            [
                attribute("formatted", "The whole name, for display."),
                attribute("familyName", "Last name."),
                attribute("givenName", "First name."),
                attribute("middleName", "Middle names."),
                attribute("honorificPrefix", "Such as “Dr”."),
                attribute("honorificSuffix", "Such as “III”."),
            ],
        ),
        attribute("displayName", "The name people see."),
        attribute("nickName", "What the person is called."),
        attribute("profileUrl", "A page.", kind="reference", referenceTypes=["external"], caseExact=True),
        attribute("title", "Job title."),
        attribute("userType", "How the person is related to the company."),
        attribute("preferredLanguage", "As in Accept-Language."),
        attribute("locale", "Such as en-US."),
        attribute("timezone", "Such as Europe/Berlin."),
        attribute("active", "Whether the person has access. False ends it at once.", kind="boolean", required=True),
        attribute("password", "Accepted and dropped.", mutability="writeOnly", returned="never", caseExact=True),
        plural("emails", "E-mail addresses; people are known by the primary one.", ("work", "home", "other")),
        plural("phoneNumbers", "Telephone numbers.", ("work", "home", "mobile", "fax", "pager", "other")),
        plural("ims", "Instant messaging addresses."),
        plural(
            "photos", "Pictures.", ("photo", "thumbnail"), kind="reference", referenceTypes=["external"], caseExact=True
        ),
        group(
            "addresses",
            "Postal addresses.",
            [
                attribute("formatted", "The whole address, for display."),
                attribute("streetAddress", "Street and number."),
                attribute("locality", "City."),
                attribute("region", "State or region."),
                attribute("postalCode", "Postal code."),
                attribute("country", "ISO 3166-1 alpha-2 code."),
                attribute("type", "What the address is for.", canonicalValues=["work", "home", "other"]),
                attribute("primary", "Whether this is the preferred one; at most one is.", kind="boolean"),
            ],
            multiValued=True,
        ),
        group(
            "groups",
            "The groups the person is in. Changed through the groups.",
            [
                attribute("value", "The group's id.", caseExact=True, **_READ_ONLY),
                reference("The group's address.", "Group", **_READ_ONLY),
                attribute("display", "The group's name.", **_READ_ONLY),
                attribute("type", "Always “direct”.", canonicalValues=["direct"], **_READ_ONLY),
            ],
            multiValued=True,
            **_READ_ONLY,
        ),
        plural("entitlements", "Kept as sent; they open nothing here."),
        plural(
            "roles",
            "The person's role in the workspace; see /Roles. Of a disabled person, the role they get on their return.",
            canonicalValues=list(Role.values),
        ),
        plural("x509Certificates", "Kept as sent.", kind="binary", caseExact=True),
    ],
}
ENTERPRISE: Final[Definition] = {
    "id": ENTERPRISE_URN,
    "name": "EnterpriseUser",
    "description": "What a company knows of a person.",
    "attributes": [
        attribute("employeeNumber", "The company's number for the person."),
        attribute("costCenter", "Cost center."),
        attribute("organization", "Organization."),
        attribute("division", "Division."),
        attribute("department", "Department."),
        group(
            "manager",
            "The person's manager, as the identity provider knows them.",
            [
                attribute("value", "The manager's id.", caseExact=True),
                reference("The manager's address.", "User"),
                attribute("displayName", "The manager's name."),
            ],
        ),
    ],
}
GROUP: Final[Definition] = {
    "id": GROUP_URN,
    "name": "Group",
    "description": "A team of the workspace.",
    "attributes": [
        attribute("displayName", "Unique in the workspace.", required=True, uniqueness="server"),
        group(
            "members",
            "The people in it.",
            [
                attribute("value", "The person's id.", caseExact=True, **_IMMUTABLE),
                reference("The person's address.", "User", **_IMMUTABLE),
                attribute("type", "Always “User”.", canonicalValues=["User"], **_IMMUTABLE),
            ],
            multiValued=True,
        ),
    ],
}
ROLE: Final[Definition] = {
    "id": ROLE_URN,
    "name": "Role",
    "description": "A role a person can have in the workspace, for Okta Identity Governance.",
    "attributes": [
        attribute("displayName", "The role's name.", **_READ_ONLY),
        attribute("type", "Always “workspace”.", **_READ_ONLY),
        attribute("supported", "Whether the identity provider may assign it here.", kind="boolean", **_READ_ONLY),
    ],
}
ENTITLEMENT: Final[Definition] = {
    "id": ENTITLEMENT_URN,
    "name": "Entitlement",
    "description": "For Okta Identity Governance. A workspace has none: accounts are reached through groups.",
    "attributes": [
        attribute("displayName", "The entitlement's name.", **_READ_ONLY),
        attribute("type", "What kind of entitlement it is.", **_READ_ONLY),
    ],
}
SCHEMAS: Final[tuple[Definition, ...]] = (USER, ENTERPRISE, GROUP, ROLE, ENTITLEMENT)
