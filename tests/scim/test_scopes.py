"""What a token of each scope reads and changes, and what Okta, the log and the Owners are told of the rest."""

from typing import Any, Final

import pytest
from django.db import IntegrityError
from django.test import Client

from scim import causes, tokens
from scim.models import ProvisioningEvent, ScimToken, Scope
from tests.companies import TESTS, Company
from tests.scim.test_users import OKTA_OFF, create_body, send
from tests.terminal import run
from workspace.errors import Invalid
from workspace.models import Notice, Team, User

pytestmark = pytest.mark.django_db

BULK: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
SEARCH: Final = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
MAY_CHANGE: Final = {"all": "UG", "users": "U", "groups": "G", "read": ""}
MAY_READ: Final = {"all": "UG", "users": "U", "groups": "UG", "read": "UG"}


def client(company: Company, scope: str) -> Client:
    _, secret = tokens.issue(company.workspace, f"for {scope}", actor=TESTS, scope=scope)
    return Client(headers={"authorization": f"Bearer {secret.reveal()}", "accept": "application/scim+json"})


def rename(name: str) -> dict[str, Any]:
    return {"schemas": [], "Operations": [{"op": "replace", "value": {"displayName": name}}]}


def changes(company: Company) -> list[tuple[str, str, str, Any]]:
    """Of each kind every method, the one that deletes last."""
    person, team = f"/Users/{company.member.pk}", f"/Groups/{company.team.pk}"
    return [
        ("U", "POST", "/Users", create_body("new")),
        ("U", "PATCH", person, rename("Renamed")),
        ("U", "PUT", person, {"userName": company.member.user_name, "displayName": "Renamed again"}),
        ("U", "DELETE", person, None),
        ("G", "POST", "/Groups", {"displayName": "New"}),
        ("G", "PATCH", team, rename("Renamed")),
        ("G", "PUT", team, {"displayName": "Renamed again", "members": []}),
        ("G", "DELETE", team, None),
    ]


@pytest.mark.parametrize("scope", Scope.values)
def test_a_token_changes_what_its_scope_names(acme: Company, rival: Company, scope: str) -> None:
    okta = client(acme, scope)
    for kind, method, path, body in changes(acme):
        answer = send(okta, method, path, body)
        if kind in MAY_CHANGE[scope]:
            assert answer.status_code < 300, (method, path, answer.data)
        else:
            assert (answer.status_code, answer.data["status"]) == (403, "403"), (method, path)
    assert User.objects.filter(workspace=acme.workspace, user_name="new@acme.example").exists() == (
        "U" in MAY_CHANGE[scope]
    )
    assert Team.objects.filter(workspace=acme.workspace, display_name="New").exists() == ("G" in MAY_CHANGE[scope])
    assert not ProvisioningEvent.objects.filter(workspace=rival.workspace).exists()


@pytest.mark.parametrize("scope", Scope.values)
def test_a_token_reads_what_its_scope_names(acme: Company, scope: str) -> None:
    okta = client(acme, scope)
    search = {"schemas": [SEARCH], "count": 10}
    for kind, endpoint, row in (("U", "/Users", acme.member), ("G", "/Groups", acme.team)):
        status = 200 if kind in MAY_READ[scope] else 403
        assert send(okta, "GET", endpoint).status_code == status
        assert send(okta, "GET", f"{endpoint}/{row.pk}").status_code == status
        assert send(okta, "POST", f"{endpoint}/.search", search).status_code == status
    everything = send(okta, "POST", "/.search", search)
    found = {resource["meta"]["resourceType"] for resource in everything.data["Resources"]}
    assert found == {"User", "Role"} | ({"Group"} if "G" in MAY_READ[scope] else set())
    assert everything.data["totalResults"] == len(everything.data["Resources"])
    root = send(okta, "GET", "/?count=10")
    assert root.data["Resources"] == everything.data["Resources"]


@pytest.mark.parametrize("scope", Scope.values)
@pytest.mark.parametrize("path", ["ServiceProviderConfig", "Schemas", "ResourceTypes", "Roles", "Entitlements"])
def test_what_describes_the_server_and_the_roles_is_open_to_each(acme: Company, scope: str, path: str) -> None:
    assert send(client(acme, scope), "GET", f"/{path}").status_code == 200


@pytest.mark.parametrize("scope", Scope.values)
def test_okta_s_connection_test_passes_whatever_the_scope(acme: Company, scope: str) -> None:
    assert send(client(acme, scope), "GET", "/Users?startIndex=1&count=2").status_code == 200
    assert ScimToken.objects.get(label=f"for {scope}").tested_at is not None


def test_a_resource_of_another_workspace_is_no_secret_let_out(acme: Company, rival: Company) -> None:
    """Whether an id exists elsewhere, or anywhere, cannot be told from the refusal."""
    okta = client(acme, "read")
    refusals = {
        send(okta, "PATCH", f"/Users/{pk}", OKTA_OFF).content for pk in (acme.member.pk, rival.member.pk, "no-id")
    }
    assert len(refusals) == 1
    assert User.objects.get(pk=rival.member.pk).is_active


@pytest.mark.parametrize(
    ("scope", "method", "path", "told"),
    [
        ("read", "POST", "/Users", ("read-only", "not change people", "Deactivate Users")),
        ("groups", "POST", "/Users", ("for teams only", "not change people", "Provisioning → To App")),
        ("users", "GET", "/Groups", ("for people only", "neither read nor change teams", "Push Groups")),
        ("read", "POST", "/Groups", ("read-only", "not change teams", "Push Groups")),
    ],
)
def test_the_detail_says_what_an_okta_administrator_does(
    acme: Company, scope: str, method: str, path: str, told: tuple[str, ...]
) -> None:
    body = None if method == "GET" else create_body("new")
    detail = send(client(acme, scope), method, path, body).data["detail"]
    for words in (*told, "Provisioning → Integration → Edit"):
        assert words in detail


def test_bulk_is_refused_operation_by_operation(acme: Company) -> None:
    okta = client(acme, "users")
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": "u", "data": create_body("bulky")},
        {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"displayName": "Bulky"}},
        {"method": "DELETE", "path": f"/Groups/{acme.team.pk}"},
        {"method": "PATCH", "path": f"/Users/{acme.member.pk}", "data": OKTA_OFF},
    ]
    answer = send(okta, "POST", "/Bulk", {"schemas": [BULK], "Operations": operations})
    assert [done["status"] for done in answer.data["Operations"]] == ["201", "403", "403", "200"]
    refused = ProvisioningEvent.objects.filter(status=403).order_by("pk")
    assert [(event.operation, event.resource_type, event.resource_id) for event in refused] == [
        ("create", "Group", None), ("delete", "Group", acme.team.pk)
    ]  # fmt: skip
    assert {cause.name for event in refused if (cause := causes.of(event))} == {"beyond the token's scope"}
    assert not User.objects.get(pk=acme.member.pk).is_active


def test_a_read_only_token_s_write_is_logged_with_its_cause_and_owners_are_told(acme: Company, rival: Company) -> None:
    okta = client(acme, "read")
    for _ in range(2):
        send(okta, "PATCH", f"/Users/{acme.member.pk}", OKTA_OFF)
    event = ProvisioningEvent.objects.filter(status=403).latest("pk")
    cause = causes.of(event)
    assert cause is not None
    assert (event.operation, event.resource_type, event.resource_id) == ("modify", "User", acme.member.pk)
    assert "read-only" in cause.words
    assert "Issue a token for people and teams" in cause.remedy
    shown = acme.browser().get("/admin/scim/provisioningevent/?result=refused").content.decode()
    assert cause.words in shown
    notice = Notice.objects.get(kind=Notice.Kind.TOKEN_REFUSED)
    assert (notice.workspace, notice.subject_id) == (acme.workspace, event.token_id)
    assert "still has access" in notice.summary


def test_another_403_keeps_its_own_cause(acme: Company) -> None:
    owner = {"schemas": [], "Operations": [{"op": "add", "path": "roles", "value": [{"value": "owner"}]}]}
    assert send(client(acme, "users"), "PATCH", f"/Users/{acme.member.pk}", owner).status_code == 403
    cause = causes.of(ProvisioningEvent.objects.get(status=403))
    assert cause is not None
    assert cause.name == "not allowed"
    assert not Notice.objects.filter(kind=Notice.Kind.TOKEN_REFUSED).exists()


def test_the_scope_costs_no_statement(acme: Company, django_assert_num_queries: Any) -> None:
    okta = client(acme, "groups")
    send(okta, "GET", "/Users")  # notes the use, once a minute
    with django_assert_num_queries(2):
        assert send(okta, "GET", "/Users?startIndex=1&count=100").status_code == 200


def test_the_doctor_and_home_say_when_no_token_may_change_people(acme: Company) -> None:
    def said() -> str:
        return acme.browser().get("/admin/").content.decode()

    assert "may change people nobody is provisioned" not in said()
    tokens.revoke(ScimToken.objects.get(workspace=acme.workspace), actor=TESTS)
    tokens.issue(acme.workspace, "looks only", actor=TESTS, scope=Scope.READ)
    assert "may change people nobody is provisioned" in said()
    assert "none may change people" in acme.browser().get("/admin/connect-okta/").content.decode()
    found = run("scim_doctor", "acme")
    assert {"none may change people", "none may change teams"} <= {
        finding["found"].partition(":")[0] for finding in found.data["findings"]
    }


def test_a_command_issues_each_scope(acme: Company) -> None:
    answer = run("issue_scim_token", "acme", "--label", "x", "--scope", "read", "--show-token")
    assert (answer.data["scope"], ScimToken.objects.get(pk=answer.data["id"]).scope) == ("read", "read")
    assert run("issue_scim_token", "acme", "--label", "x", "--scope", "none", "--show-token").code != 0


def test_only_known_scopes_are_stored(acme: Company) -> None:
    with pytest.raises(Invalid, match="no such scope"):
        tokens.issue(acme.workspace, "x", actor=TESTS, scope="everything")
    with pytest.raises(IntegrityError):
        ScimToken.objects.filter(workspace=acme.workspace).update(scope="every")
