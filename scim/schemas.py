"""What the door says of itself: resource types, /Schemas and /ServiceProviderConfig (RFC 7643 sections 5 to 8)."""

from typing import Any, Final

from django.conf import settings
from django_scim.models import SCIMServiceProviderConfig
from django_scim.schemas import default_schemas_getter
from django_scim.settings import scim_settings

from scim import definitions
from scim.definitions import ENTERPRISE_URN, ENTITLEMENT_URN, GROUP_URN, ROLE_URN, SCHEMAS, USER_URN, Definition
from scim.paging import CURSOR_SECONDS, DEFAULT_COUNT, LARGEST_COUNT
from scim.patch import Schema

API: Final = "urn:ietf:params:scim:api:messages:2.0"
LIST_URN: Final = f"{API}:ListResponse"
SEARCH_URN: Final = f"{API}:SearchRequest"
BULK_REQUEST_URN: Final = f"{API}:BulkRequest"
BULK_RESPONSE_URN: Final = f"{API}:BulkResponse"
_CORE: Final = "urn:ietf:params:scim:schemas:core:2.0"


def patch_schema(definition: Definition, *extensions: Definition) -> Schema:
    """What PATCH must know, read off a definition, so that it cannot say otherwise than /Schemas."""
    attributes = definition["attributes"]
    inner = [(extension["id"], item) for extension in extensions for item in extension["attributes"]]
    return Schema(
        urn=definition["id"],
        attributes=frozenset(item["name"] for item in attributes),
        multi_valued=frozenset(item["name"] for item in attributes if item["multiValued"])
        | {f"{urn}:{item['name']}" for urn, item in inner if item["multiValued"]},
        complex=frozenset(item["name"] for item in attributes if _is_single_complex(item))
        | {f"{urn}:{item['name']}" for urn, item in inner if _is_single_complex(item)},
        booleans=frozenset(_booleans(attributes)),
        read_only=frozenset(item["name"] for item in attributes if item["mutability"] == "readOnly"),
        required=frozenset(item["name"] for item in attributes if item["required"]),
        extensions=frozenset(extension["id"] for extension in extensions),
    )


def _is_single_complex(item: Definition) -> bool:
    return item["type"] == "complex" and not item["multiValued"]


def _booleans(attributes: list[Definition]) -> list[str]:
    found = [item["name"] for item in attributes if item["type"] == "boolean"]
    for item in attributes:
        parts = [part["name"] for part in item.get("subAttributes", ()) if part["type"] == "boolean"]
        found += [f"{item['name']}.{part}" for part in parts]
    return found


USER: Final = patch_schema(definitions.USER, definitions.ENTERPRISE)
GROUP: Final = patch_schema(definitions.GROUP)


# The schemas of what the door says of itself, as RFC 7643 section 8.7.2 prints them; django-scim2 brings them.
_OF_THE_SERVICE: Final = tuple(
    {**schema, "name": schema["id"].rpartition(":")[2]}
    for schema in default_schemas_getter()
    if schema["id"].startswith(_CORE) and schema["id"] not in {USER_URN, GROUP_URN}
)


def all_schemas() -> list[dict[str, Any]]:
    """Named by django-scim2's SCHEMAS_GETTER: the schemas of everything served here."""
    return [
        {
            "schemas": [f"{_CORE}:Schema"],
            **schema,
            "meta": {"resourceType": "Schema", "location": f"{settings.BASE_URL}/scim/v2/Schemas/{schema['id']}"},
        }
        for schema in (*SCHEMAS, *_OF_THE_SERVICE)
    ]


def resource_types() -> list[dict[str, Any]]:
    """RFC 7643 section 6."""
    enterprise = [{"schema": ENTERPRISE_URN, "required": False}]
    return [
        _resource_type("User", "Users", USER_URN, "A person of the workspace.", enterprise),
        _resource_type("Group", "Groups", GROUP_URN, "A team of the workspace."),
        _resource_type("Role", "Roles", ROLE_URN, "A role in the workspace."),
        _resource_type("Entitlement", "Entitlements", ENTITLEMENT_URN, "A workspace has none."),
    ]


def _resource_type(
    name: str, endpoint: str, schema: str, description: str, extensions: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    return {
        "schemas": [f"{_CORE}:ResourceType"],
        "id": name,
        "name": name,
        "description": description,
        "endpoint": f"/{endpoint}",
        "schema": schema,
        "schemaExtensions": extensions or [],
        "meta": {
            "resourceType": "ResourceType",
            "location": f"{settings.BASE_URL}/scim/v2/ResourceTypes/{name}",
        },
    }


class ServiceProviderConfig(SCIMServiceProviderConfig):  # type: ignore[misc]  # django-scim2 is untyped
    """What a client may rely on; every "supported" below is tested."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "schemas": [f"{_CORE}:ServiceProviderConfig"],
            "patch": {"supported": True},
            "bulk": {
                "supported": True,
                "maxOperations": settings.SCIM_BULK_OPERATIONS,
                "maxPayloadSize": settings.SCIM_PAYLOAD_BYTES,
            },
            "filter": {"supported": True, "maxResults": LARGEST_COUNT},
            "changePassword": {"supported": False},
            "sort": {"supported": True},
            "etag": {"supported": True},
            "pagination": {
                "cursor": True,
                "index": True,
                "defaultPaginationMethod": "index",
                "defaultPageSize": DEFAULT_COUNT,
                "maxPageSize": LARGEST_COUNT,
                "cursorTimeout": CURSOR_SECONDS,
            },
            "authenticationSchemes": scim_settings.AUTHENTICATION_SCHEMES,
            "meta": self.meta,
        }
