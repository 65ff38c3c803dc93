"""Okta Identity Governance: /ResourceTypes, then /Schemas, then each endpoint named there, page by page."""

from typing import Any

import pytest

from tests.companies import Company
from tests.scim.test_users import create_body, send

pytestmark = pytest.mark.django_db

ROLE, ENTITLEMENT = (f"urn:okta:scim:schemas:core:1.0:{name}" for name in ("Role", "Entitlement"))
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.data
    return [resource["id"] for resource in answer.data["Resources"]]


def test_the_discovery_of_okta_ends_at_the_roles_and_at_no_entitlement(acme: Company) -> None:
    found = {}
    for kind in send(acme.okta(), "GET", "/ResourceTypes").data["Resources"]:
        if kind["schema"].startswith("urn:okta:"):
            assert send(acme.okta(), "GET", f"/Schemas/{kind['schema']}").data["id"] == kind["schema"]
            found[kind["schema"]] = ids(send(acme.okta(), "GET", f"{kind['endpoint']}?startIndex=1&count=100"))
    assert found == {ROLE: ["owner", "admin", "member"], ENTITLEMENT: []}


def test_roles_are_paged_by_index_and_by_cursor(acme: Company) -> None:
    page = send(acme.okta(), "GET", "/Roles?startIndex=2&count=1")
    assert ids(page) == ["admin"]
    assert (page.data["totalResults"], page.data["startIndex"], page.data["itemsPerPage"]) == (3, 2, 1)
    assert ids(send(acme.okta(), "GET", "/Roles?startIndex=101&count=100")) == []
    first = send(acme.okta(), "GET", "/Roles?cursor=&count=2")
    rest = send(acme.okta(), "GET", f"/Roles?cursor={first.data['nextCursor']}&count=2")
    assert ids(first) + ids(rest) == ["owner", "admin", "member"]
    assert "nextCursor" not in rest.data
    assert send(acme.okta(), "GET", "/Roles?cursor=forged").data["scimType"] == "invalidCursor"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('filter=displayName eq "ADMIN"', ["admin"]),
        ("filter=supported eq true", ["admin", "member"]),
        ('filter=not (id eq "owner")&sortBy=displayName&sortOrder=descending', ["member", "admin"]),
        ("sortBy=displayName", ["admin", "member", "owner"]),
        ('filter=meta.resourceType eq "Role" and type pr', ["owner", "admin", "member"]),
    ],
)
def test_roles_are_filtered_and_sorted(acme: Company, query: str, expected: list[str]) -> None:
    assert ids(send(acme.okta(), "GET", f"/Roles?{query}")) == expected
    assert ids(send(acme.okta(), "GET", f"/Entitlements?{query.replace('supported eq true', 'id pr')}")) == []


@pytest.mark.parametrize(
    ("query", "kind"), [("filter=shoeSize eq 4", "invalidFilter"), ("sortBy=shoeSize", "invalidPath")]
)
def test_what_roles_do_not_have_is_refused(acme: Company, query: str, kind: str) -> None:
    refused = send(acme.okta(), "GET", f"/Roles?{query}")
    assert (refused.status_code, refused.data["scimType"]) == (400, kind)


def test_a_role_is_read_alone_and_projected_and_searched(acme: Company) -> None:
    role = send(acme.okta(), "GET", "/Roles/admin?attributes=displayName")
    assert role.data == {"schemas": [ROLE], "id": "admin", "displayName": "Admin"}
    body = {"schemas": [SEARCH], "filter": 'displayName sw "m"'}
    assert ids(send(acme.okta(), "POST", "/Roles/.search", body)) == ["member"]
    assert ids(send(acme.okta(), "POST", "/Entitlements/.search", {"schemas": [SEARCH]})) == []
    for path in ("/Roles/emperor", "/Entitlements/1"):
        assert send(acme.okta(), "GET", path).status_code == 404


@pytest.mark.parametrize("path", ["/Roles", "/Roles/admin", "/Entitlements", "/Entitlements/1"])
def test_roles_and_entitlements_are_read_only(acme: Company, path: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        refused = send(acme.okta(), method, path, {})
        assert (refused.status_code, refused["Allow"], refused.data["status"]) == (405, "GET, HEAD", "405")


def test_entitlements_of_a_person_are_kept_as_sent_and_open_nothing(acme: Company) -> None:
    sent = [{"value": str(acme.account.pk), "display": "Router"}]
    made = send(acme.okta(), "POST", "/Users", create_body(entitlements=sent)).data
    assert made["entitlements"] == sent
    assert not acme.account.grants.filter(user_id=made["id"]).exists()
