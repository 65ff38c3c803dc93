"""Google Workspace's automatic provisioning: plain application/json, people only, suspension before deletion."""

import pytest

from tests.companies import Company
from tests.scim.dialects.http import ENTERPRISE, USER, Json, Provider, bearer
from workspace.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def google(acme: Company) -> Provider:
    headers = {
        "authorization": bearer(acme),
        "accept": "application/json",
        "user-agent": "Google-Auto-Provisioning",
    }
    return Provider(headers, "application/json")


def leia() -> Json:
    return {
        "schemas": [USER, ENTERPRISE],
        "userName": "leia@acme.example",
        "externalId": "118201234567890123456",
        "name": {"givenName": "Leia", "familyName": "Organa", "formatted": "Leia Organa"},
        "displayName": "Leia Organa",
        "emails": [{"value": "leia@acme.example", "type": "work", "primary": True}],
        "phoneNumbers": [{"value": "+1 555 0100", "type": "work"}],
        "active": True,
        ENTERPRISE: {"department": "Alliance", "organization": "Acme"},
    }


def test_plain_json_is_accepted_and_answered_in_scim(google: Provider) -> None:
    answer = google.post("/Users", leia())
    assert answer.ok(201)["userName"] == "leia@acme.example"
    assert answer.headers["Content-Type"].startswith("application/scim+json")
    assert answer.headers["Location"] == answer.body["meta"]["location"]


def test_what_was_sent_comes_back(google: Provider) -> None:
    made = google.post("/Users", leia()).ok(201)
    read = google.get(f"/Users/{made['id']}").ok()
    sent = leia()
    assert {name: read[name] for name in sent if name != "schemas"} == {
        name: value for name, value in sent.items() if name != "schemas"
    }
    assert set(read["schemas"]) == {USER, ENTERPRISE}


def test_the_match_is_by_user_name(google: Provider) -> None:
    assert google.find("Users", 'userName eq "leia@acme.example"')["totalResults"] == 0
    made = google.post("/Users", leia()).ok(201)
    found = google.find("Users", 'userName eq "Leia@Acme.example"')
    assert [person["id"] for person in found["Resources"]] == [made["id"]]


def test_a_profile_is_replaced_as_a_whole(google: Provider) -> None:
    made = google.post("/Users", leia()).ok(201)
    body = leia() | {"displayName": "General Organa", "phoneNumbers": []}
    answer = google.put(f"/Users/{made['id']}", body).ok()
    assert answer["displayName"] == "General Organa"
    assert "phoneNumbers" not in answer
    assert answer["meta"]["created"] == made["meta"]["created"]


def test_suspension_is_active_false_and_deletion_comes_later(google: Provider, acme: Company) -> None:
    made = google.post("/Users", leia()).ok(201)
    path = f"/Users/{made['id']}"
    assert google.patch(path, {"op": "replace", "path": "active", "value": False}).ok()["active"] is False
    assert not User.objects.get(pk=made["id"]).is_active
    assert google.delete(path).ok(204) == {}
    google.get(path).refused(404)
    google.delete(path).refused(404)
    assert google.find("Users", 'userName eq "leia@acme.example"')["totalResults"] == 0


def test_a_person_deleted_and_assigned_again_is_the_same_person(google: Provider) -> None:
    made = google.post("/Users", leia()).ok(201)
    google.delete(f"/Users/{made['id']}").ok(204)
    again = google.post("/Users", leia()).ok(201)
    assert (again["id"], again["active"]) == (made["id"], True)


def test_a_charset_on_the_content_type_changes_nothing(google: Provider) -> None:
    google.content_type = "application/json; charset=UTF-8"
    body = leia() | {"displayName": "Léia Órgana ✨"}
    assert google.post("/Users", body).ok(201)["displayName"] == "Léia Órgana ✨"
