"""What the door says of itself: resource types, /Schemas and /ServiceProviderConfig (RFC 7643 sections 5 to 8)."""

from typing import Any, Final

from django_scim.models import SCIMServiceProviderConfig
from django_scim.schemas import default_schemas_getter
from django_scim.settings import scim_settings

from scim.paging import DEFAULT_COUNT, LARGEST_COUNT
from scim.patch import Schema

USER_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_URN: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
LIST_URN: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH_URN: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SERVED: Final = (USER_URN, GROUP_URN, ENTERPRISE_URN)

_MULTI_VALUED: Final = (
    "emails", "phoneNumbers", "ims", "photos", "addresses", "groups", "entitlements", "roles", "x509Certificates",
)  # fmt: skip

USER: Final = Schema(
    urn=USER_URN,
    attributes=frozenset(
        {
            "userName", "name", "displayName", "nickName", "profileUrl", "title", "userType", "preferredLanguage",
            "locale", "timezone", "active", "password", *_MULTI_VALUED,
        }
    ),
    multi_valued=frozenset(_MULTI_VALUED),
    complex=frozenset({"name", f"{ENTERPRISE_URN}:manager"}),
    booleans=frozenset({"active", *(f"{name}.primary" for name in _MULTI_VALUED)}),
    read_only=frozenset({"groups"}),
    extensions=frozenset({ENTERPRISE_URN}),
)  # fmt: skip
GROUP: Final = Schema(
    urn=GROUP_URN,
    attributes=frozenset({"displayName", "members"}),
    multi_valued=frozenset({"members"}),
)


def all_schemas() -> list[dict[str, Any]]:
    """Named by django-scim2's SCHEMAS_GETTER: the schemas of the resources served here."""
    return [schema for schema in default_schemas_getter() if schema["id"] in SERVED]


class ServiceProviderConfig(SCIMServiceProviderConfig):  # type: ignore[misc]  # django-scim2 is untyped
    """What a client may rely on; every "supported" below is tested."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "patch": {"supported": True},
            "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
            "filter": {"supported": True, "maxResults": LARGEST_COUNT},
            "changePassword": {"supported": False},
            "sort": {"supported": False},
            "etag": {"supported": False},
            "pagination": {
                "cursor": False, "index": True, "defaultPaginationMethod": "index",
                "defaultPageSize": DEFAULT_COUNT, "maxPageSize": LARGEST_COUNT,
            },
            "authenticationSchemes": scim_settings.AUTHENTICATION_SCHEMES,
            "meta": self.meta,
        }  # fmt: skip
