"""What the RFCs ask for beyond the everyday requests: versions, order, cursors, search, bulk, roles, limits, log."""

import json
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from scim import limits
from scim.models import ProvisioningEvent
from tests.companies import TESTS, Company
from tests.scim.test_users import OKTA_OFF, create_body, send
from workspace import people
from workspace.models import Role, Team, User

pytestmark = pytest.mark.django_db

SEARCH = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]}
BULK = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"]}
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def names(answer: Any) -> list[str]:
    return [item["userName"].partition("@")[0] for item in answer.data["Resources"]]


# Versions (RFC 7644 section 3.14)


def test_a_version_that_is_current_is_304_and_one_that_is_not_is_412(acme: Company) -> None:
    client, path = acme.okta(), f"/Users/{acme.member.id}"
    version = send(client, "GET", path)["ETag"]
    assert version.startswith('W/"')
    assert send(client, "GET", path).data["meta"]["version"] == version
    assert client.get(f"/scim/v2{path}", headers={"if-none-match": version}).status_code == 304
    body = json.dumps({"Operations": [{"op": "replace", "path": "title", "value": "Engineer"}]})
    kind = "application/scim+json"
    first: Any = client.patch(f"/scim/v2{path}", body, content_type=kind, headers={"if-match": version})
    assert (first.status_code, first["ETag"] != version) == (200, True)
    stale: Any = client.patch(f"/scim/v2{path}", body, content_type=kind, headers={"if-match": version})
    assert (stale.status_code, stale.json()["status"]) == (412, "412")
    assert client.get(f"/scim/v2{path}", headers={"if-none-match": version}).status_code == 200
    assert client.delete(f"/scim/v2{path}", headers={"if-match": version}).status_code == 412
    assert User.objects.get(pk=acme.member.pk).is_active


def test_a_change_of_members_is_a_change_of_the_groups_version(acme: Company) -> None:
    path = f"/Groups/{acme.team.id}"
    before = send(acme.okta(), "GET", path)["ETag"]
    add = [{"op": "add", "path": "members", "value": [{"value": str(acme.owner.id)}]}]
    after = send(acme.okta(), "PATCH", path, {"Operations": add})
    assert before != after["ETag"] == send(acme.okta(), "GET", path)["ETag"]


# Order and pages


def test_lists_are_sorted_without_regard_to_letter_case_and_the_empty_come_last(acme: Company) -> None:
    for name, title in (("b", "zulu"), ("A", "Alpha"), ("c", "")):
        send(acme.okta(), "POST", "/Users", create_body(name, userName=f"{name}@x.example", title=title))
    assert names(send(acme.okta(), "GET", "/Users?sortBy=userName")) == ["A", "b", "c", "member", "owner"]
    down = send(acme.okta(), "GET", "/Users?sortBy=userName&sortOrder=descending")
    assert names(down) == ["owner", "member", "c", "b", "A"]
    assert names(send(acme.okta(), "GET", "/Users?sortBy=title"))[:2] == ["A", "b"]
    refused = send(acme.okta(), "GET", "/Users?sortBy=shoeSize")
    assert (refused.status_code, refused.data["scimType"]) == (400, "invalidPath")


@pytest.mark.parametrize("sort", ["", "&sortBy=userName"])
def test_a_cursor_reaches_everybody_once_and_ends(acme: Company, rival: Company, sort: str) -> None:
    for number in range(5):
        acme.person(f"p{number}")
    seen: list[str] = []
    page = send(acme.okta(), "GET", f"/Users?cursor=&count=3{sort}").data
    assert page["totalResults"] == 7
    while True:
        seen += [item["id"] for item in page["Resources"]]
        if "nextCursor" not in page:
            break
        page = send(acme.okta(), "GET", f"/Users?cursor={page['nextCursor']}&count=3{sort}").data
    assert len(seen) == len(set(seen)) == 7


def test_a_cursor_is_bound_to_its_filter_and_a_forged_one_is_refused(acme: Company, rival: Company) -> None:
    cursor = send(acme.okta(), "GET", "/Users?cursor=&count=1").data["nextCursor"]
    for query in (f"cursor={cursor}&filter=active eq true", "cursor=forged", f"cursor={cursor}x"):
        refused = send(acme.okta(), "GET", f"/Users?{query}")
        assert (refused.status_code, refused.data["scimType"]) == (400, "invalidCursor")
    across = send(rival.okta(), "GET", f"/Users?cursor={cursor}")
    assert "acme" not in across.content.decode()


# .search (section 3.4.3)


def test_search_finds_people_groups_and_both(acme: Company, rival: Company) -> None:
    body = {**SEARCH, "filter": 'userName sw "mem"', "attributes": ["userName"]}
    found = send(acme.okta(), "POST", "/Users/.search", body)
    assert (found.status_code, names(found)) == (200, ["member"])
    assert set(found.data["Resources"][0]) == {"schemas", "id", "userName"}
    everything = send(acme.okta(), "POST", "/.search", {**SEARCH, "filter": "id pr"}).data
    assert everything["totalResults"] == 6
    tail = send(acme.okta(), "POST", "/.search", {**SEARCH, "filter": "id pr", "startIndex": 3}).data
    assert [item["displayName"] for item in tail["Resources"]] == ["Operations", "Owner", "Admin", "Member"]
    asked = send(acme.okta(), "GET", "/?filter=displayName sw \"O\"&attributes=displayName").data["Resources"]
    assert [item["displayName"] for item in asked] == ["Operations", "Owner"]
    assert send(acme.okta(), "GET", "/").status_code == 404
    assert send(acme.okta(), "POST", "/.search", {**SEARCH, "filter": "nothing eq 1"}).status_code == 400
    assert send(acme.okta(), "POST", "/Groups/.search", {}).data["scimType"] == "invalidSyntax"


# Filters on what is kept as JSON


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('phoneNumbers.value eq "+49 30"', ["ada"]),
        ('phoneNumbers[type eq "WORK" and value sw "+49"]', ["ada"]),
        ('phoneNumbers[type eq "home"]', []),
        ('emails.value eq "ADA@private.example"', ["ada"]),
        ('emails[type eq "home" and value ew "private.example"]', ["ada"]),
        ('emails eq "member@acme.example"', ["member"]),
        ("emails[primary eq true].value pr and title pr", ["ada"]),
        ('title co "engineer" and not (nickName pr)', ["ada"]),
        (f'{ENTERPRISE}:department eq "engines"', ["ada"]),
        (f'{ENTERPRISE}:manager.value eq "m1"', ["ada"]),
        ('name.formatted eq "ada lovelace"', ["ada"]),
        ('roles eq "owner"', ["owner"]),
        ('roles[display eq "OWNER" and primary eq true]', ["owner"]),
        ("roles.type pr", []),
        ('groups.display eq "operations"', ["member"]),
        ('groups[display sw "oper" and type eq "direct"]', ["member"]),
        ('meta.resourceType eq "User" and title pr', ["ada"]),
        ('meta.resourceType eq "Group"', []),
        (f'schemas eq "{ENTERPRISE}"', ["ada"]),
        ('schemas sw "urn:ietf:params:" and not (schemas ew "2.0:user")', ["owner", "member", "ada"]),
        (f'schemas ne "{ENTERPRISE}"', ["owner", "member"]),
        ('groups.value pr and active eq "True"', ["member"]),
    ],
)
def test_every_core_attribute_can_be_filtered_on(acme: Company, query: str, found: list[str]) -> None:
    more: dict[str, Any] = {
        "emails": [
            {"value": "ada@acme.example", "type": "work", "primary": True},
            {"Value": "ada@private.example", "Type": "home"},
        ],
        "phoneNumbers": [{"value": "+49 30", "type": "work"}],
        "title": "Chief Engineer",
        ENTERPRISE: {"department": "Engines", "manager": {"value": "m1"}},
    }
    assert send(acme.okta(), "POST", "/Users", create_body(**more)).status_code == 201
    answer = send(acme.okta(), "GET", f"/Users?filter={query.replace('+', '%2B')}")
    assert answer.status_code == 200, answer.data
    assert names(answer) == found


def test_a_name_made_up_by_us_follows_a_rename(acme: Company) -> None:
    made = send(acme.okta(), "POST", "/Users", create_body()).data
    assert made["name"]["formatted"] == "Ada Lovelace"
    changed = {**made, "name": {**made["name"], "givenName": "Augusta"}}
    assert send(acme.okta(), "PUT", f"/Users/{made['id']}", changed).data["name"]["formatted"] == "Augusta Lovelace"
    operations = [{"op": "replace", "path": "name.familyName", "value": "King"}]
    patched = send(acme.okta(), "PATCH", f"/Users/{made['id']}", {"Operations": operations})
    assert patched.data["name"]["formatted"] == "Augusta King"


# Roles


def test_roles_can_be_discovered_and_assigned_but_owners_only_where_allowed(acme: Company) -> None:
    roles = send(acme.okta(), "GET", "/Roles").data["Resources"]
    assert [(role["id"], role["supported"]) for role in roles] == [("owner", False), ("admin", True), ("member", True)]
    path = f"/Users/{acme.member.id}"
    admin = [{"op": "replace", "path": "roles", "value": [{"value": "admin"}]}]
    assert send(acme.okta(), "PATCH", path, {"Operations": admin}).data["roles"][0]["value"] == "admin"
    owner = [{"op": "replace", "path": "roles", "value": [{"value": "owner"}]}]
    refused = send(acme.okta(), "PATCH", path, {"Operations": owner})
    assert (refused.status_code, User.objects.get(pk=acme.member.pk).role) == (403, Role.ADMIN)
    acme.workspace.provider_assigns_owner = True
    acme.workspace.save()
    assert send(acme.okta(), "PATCH", path, {"Operations": owner}).data["roles"][0]["value"] == "owner"
    assert send(acme.okta(), "PATCH", path, {"Operations": [{"op": "remove", "path": "roles"}]}).status_code == 200
    assert User.objects.get(pk=acme.member.pk).role == Role.MEMBER


def test_a_put_without_roles_leaves_the_role(acme: Company) -> None:
    people.set_role(acme.member, Role.ADMIN, actor=TESTS)
    send(acme.okta(), "PUT", f"/Users/{acme.member.id}", create_body("member"))
    assert User.objects.get(pk=acme.member.pk).role == Role.ADMIN


# Bulk (section 3.7)


def bulk(company: Company, *operations: dict[str, Any], **more: Any) -> Any:
    return send(company.okta(), "POST", "/Bulk", {**BULK, **more, "Operations": list(operations)})


def test_bulk_resolves_references_whatever_their_order(acme: Company) -> None:
    group = {"displayName": "Engineers", "members": [{"value": "bulkId:ada"}]}
    title = {"Operations": [{"op": "add", "path": "title", "value": "x"}]}
    answer = bulk(
        acme,
        {"method": "POST", "path": "/Groups", "bulkId": "group", "data": group},
        {"method": "post", "path": "/Users", "bulkId": "ada", "data": create_body()},
        {"method": "PATCH", "path": "/Users/bulkId:ada", "data": title},
    )
    assert [item["status"] for item in answer.data["Operations"]] == ["201", "201", "200"]
    made = Team.objects.get(display_name="Engineers")
    assert [row.user.user_name for row in made.memberships.filter(left_at=None)] == ["ada@acme.example"]
    assert answer.data["Operations"][0]["location"].endswith(str(made.id))
    assert User.objects.get(user_name="ada@acme.example").attributes["title"] == "x"


def test_bulk_resolves_a_circle(acme: Company) -> None:
    def managed_by(other: str) -> dict[str, Any]:
        return {ENTERPRISE: {"manager": {"value": f"bulkId:{other}"}}}

    answer = bulk(
        acme,
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": create_body("a", **managed_by("b"))},
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": create_body("b", **managed_by("a"))},
    )
    assert [item["status"] for item in answer.data["Operations"]] == ["201", "201"]
    a, b = (User.objects.get(user_name=f"{name}@acme.example") for name in "ab")
    assert a.attributes[ENTERPRISE]["manager"]["value"] == str(b.id)
    assert b.attributes[ENTERPRISE]["manager"]["value"] == str(a.id)


def test_bulk_says_what_failed_does_the_rest_and_stops_when_told(acme: Company, rival: Company) -> None:
    operations: list[dict[str, Any]] = [
        {"method": "DELETE", "path": f"/Users/{rival.member.id}"},
        {"method": "POST", "path": "/Users", "bulkId": "x", "data": {"userName": ""}},
        {"method": "POST", "path": "/Users", "bulkId": "ada", "data": create_body()},
    ]
    answer = bulk(acme, *operations)
    assert [item["status"] for item in answer.data["Operations"]] == ["404", "400", "201"]
    assert answer.data["Operations"][1]["response"]["scimType"] == "invalidValue"
    assert User.objects.get(pk=rival.member.pk).is_active
    stopped = bulk(acme, *operations, failOnErrors=1)
    assert [item["status"] for item in stopped.data["Operations"]] == ["404"]


def test_bulk_keeps_the_limit_it_advertises(acme: Company, settings: Any) -> None:
    settings.SCIM_BULK_OPERATIONS = 1
    config = send(acme.okta(), "GET", "/ServiceProviderConfig").data
    assert (config["bulk"]["supported"], config["bulk"]["maxOperations"]) == (True, 1)
    operation = {"method": "DELETE", "path": f"/Users/{acme.member.id}"}
    assert bulk(acme, operation, operation).status_code == 413
    assert User.objects.get(pk=acme.member.pk).is_active


def test_bulk_answers_versions_and_refuses_a_bulk_id_given_twice(acme: Company) -> None:
    post: dict[str, Any] = {"method": "POST", "path": "/users", "bulkId": "ada", "data": create_body()}
    made = bulk(acme, post).data["Operations"][0]
    assert made["version"] == send(acme.okta(), "GET", f"/Users/{made['location'].rpartition('/')[2]}")["ETag"]
    twice = bulk(acme, post, {**post, "data": create_body("bob")})
    assert (twice.status_code, twice.data["scimType"]) == (400, "invalidValue")
    assert not User.objects.filter(user_name__startswith="bob").exists()


def test_a_reference_to_nothing_is_refused_in_its_place(acme: Company) -> None:
    group = {"displayName": "Engineers", "members": [{"value": "bulkId:nobody"}]}
    answer = bulk(acme, {"method": "POST", "path": "/Groups", "bulkId": "g", "data": group})
    assert answer.data["Operations"][0]["status"] == "400"
    assert not Team.objects.filter(display_name="Engineers").exists()


# Limits


def test_too_many_requests_are_429_with_whole_seconds(acme: Company, rival: Company, settings: Any) -> None:
    settings.SCIM_REQUESTS_PER_MINUTE = 3
    answers = [send(acme.okta(), "GET", "/Users?count=0") for _ in range(8)]  # two windows at the most
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].data["status"] == "429"
    assert 1 <= int(refused[0]["Retry-After"]) <= limits.WINDOW_SECONDS
    assert send(rival.okta(), "GET", "/Users?count=0").status_code == 200


def test_the_limit_is_above_what_an_import_sends(settings: Any) -> None:
    assert settings.SCIM_REQUESTS_PER_MINUTE == 120_000


def test_a_body_too_large_is_413_and_one_of_another_kind_415(acme: Company, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    assert send(acme.okta(), "POST", "/Users", create_body(title="x" * 2000)).status_code == 413
    client = acme.okta()
    for kind, status in (("application/xml", 415), ("application/json", 201), ("text/plain", 409)):
        answer: Any = client.generic("POST", "/scim/v2/Users", json.dumps(create_body()), content_type=kind)
        assert answer.status_code == status


@pytest.mark.parametrize("path", ["/users", "/USERS/", "/groups", "/roles", "/schemas", "/serviceproviderconfig"])
def test_paths_are_read_in_any_letter_case(acme: Company, path: str) -> None:
    assert send(acme.okta(), "GET", path).status_code == 200
    assert send(acme.okta(), "GET", path + "/x").data["status"] == "404"


def test_discovery_answers_head(acme: Company) -> None:
    for path in ("Users", "Groups", "Roles", "Schemas", "ResourceTypes", "ServiceProviderConfig"):
        answer: Any = acme.okta().head(f"/scim/v2/{path}")
        assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    "body", ['{"userName": "a", "userName": "b"}', '{"userName": "a", "active": true, "Active": false}',
             '{"userName": "a", "name": {"givenName": "x", "givenname": "y"}}']
)  # fmt: skip
def test_an_attribute_named_twice_is_refused_in_whatever_letter_case(acme: Company, body: str) -> None:
    answer: Any = acme.okta().post("/scim/v2/Users", body, content_type="application/scim+json")
    assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidSyntax")


def test_a_compressed_body_is_415(acme: Company) -> None:
    client = acme.okta()
    for encoding, status in (("gzip", 415), ("identity", 201)):
        answer: Any = client.post(
            "/scim/v2/Users", json.dumps(create_body()), content_type="application/scim+json",
            headers={"content-encoding": encoding},
        )  # fmt: skip
        assert answer.status_code == status


def test_a_start_index_beyond_all_numbers_is_an_empty_page(acme: Company) -> None:
    page = send(acme.okta(), "GET", f"/Users?startIndex={'9' * 30}").data
    assert (page["totalResults"], page["Resources"]) == (2, [])


# The provisioning log


def test_each_write_and_each_refusal_is_logged_without_values(acme: Company, rival: Company) -> None:
    client = acme.okta()
    made = send(client, "POST", "/Users", create_body()).data
    send(client, "PUT", f"/Users/{made['id']}", {**made, "displayName": "Countess", "title": "x"})
    send(client, "PATCH", f"/Users/{made['id']}", OKTA_OFF)
    send(client, "POST", "/Users", create_body("member"))
    send(client, "GET", "/Users?filter=shoeSize eq 4")
    send(client, "GET", "/Users")
    log = ProvisioningEvent.objects.for_workspace(acme.workspace).order_by("at")
    rows = [(event.operation, event.resource_type, event.status, event.scim_type) for event in log]
    assert rows == [
        ("create", "User", 201, ""),
        ("replace", "User", 200, ""),
        ("modify", "User", 200, ""),
        ("create", "User", 409, "uniqueness"),
        ("read", "User", 400, "invalidFilter"),
    ]
    assert log[1].attributes == ["displayName", "title"]
    assert (log[2].attributes, log[2].resource_id) == (["active"], UUID(made["id"]))
    assert "Countess" not in str(list(log.values()))
    assert not ProvisioningEvent.objects.for_workspace(rival.workspace).exists()


def test_the_request_id_of_the_provider_is_kept_and_one_is_made_up_without(acme: Company) -> None:
    client = acme.okta()
    client.delete(f"/scim/v2/Users/{acme.member.id}", headers={"x-request-id": "okta-77"})
    client.delete(f"/scim/v2/Users/{acme.member.id}", headers={"x-request-id": "<script>"})
    kept, made_up = ProvisioningEvent.objects.order_by("at").values_list("request_id", flat=True)
    assert kept == "okta-77"
    assert len(made_up) == 32


def test_the_log_adds_no_commit_to_a_write(acme: Company) -> None:
    client = acme.okta()
    send(client, "GET", "/Users")
    title = {"Operations": [{"op": "add", "path": "title", "value": "x"}]}
    statements: list[str] = []
    with connection.execute_wrapper(_note(statements)):
        send(client, "PATCH", f"/Users/{acme.member.id}", title)
    inserted = next(place for place, sql in enumerate(statements) if "scim_provisioningevent" in sql)
    opened = [place for place, sql in enumerate(statements) if sql.startswith("SAVEPOINT")]
    closed = [place for place, sql in enumerate(statements) if sql.startswith("RELEASE")]
    assert opened[0] < inserted < closed[-1]


def _note(statements: list[str]) -> Any:
    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append(sql)
        return execute(sql, params, many, context)

    return wrapper
