"""Microsoft Entra ID and its SCIM validator, people: capital verbs, words for booleans, PATCH in every shape."""

from typing import Any
from uuid import uuid4

import pytest

from tests.companies import Company
from tests.scim.dialects.http import ENTERPRISE, USER, Json, Provider, bearer
from workspace.models import User

pytestmark = pytest.mark.django_db

MANAGER = f"{ENTERPRISE}:manager"


@pytest.fixture
def entra(acme: Company) -> Provider:
    headers = {"authorization": bearer(acme), "accept": "application/scim+json"}
    return Provider(headers, "application/scim+json; charset=utf-8")


def lyra(**more: Any) -> Json:
    return {
        "schemas": [USER, ENTERPRISE],
        "externalId": "lyra",
        "userName": "Lyra@acme.example",
        "active": True,
        "addresses": [{"primary": False, "type": "work", "country": "NO", "formatted": "Svalbard 1"}],
        "displayName": "Lyra Belacqua",
        "emails": [{"primary": True, "type": "work", "value": "lyra@acme.example"}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "Lyra Belacqua", "familyName": "Belacqua", "givenName": "Lyra"},
        "phoneNumbers": [{"primary": True, "type": "mobile", "value": "+47 5550100"}],
        "preferredLanguage": "en-GB",
        "roles": [],
        "title": "Alethiometrist",
        ENTERPRISE: {"department": "North", "employeeNumber": "7"},
        **more,
    }


@pytest.fixture
def made(entra: Provider) -> Json:
    return entra.post("/Users", lyra()).ok(201)


@pytest.fixture
def path(made: Json) -> str:
    return f"/Users/{made['id']}"


def element(person: Json, name: str, kind: str) -> Json:
    return next(each for each in person[name] if each.get("type") == kind)


def test_the_connection_test_asks_for_nobody_and_gets_an_empty_list(entra: Provider) -> None:
    found = entra.find("Users", f'userName eq "{uuid4()}"')
    assert (found["totalResults"], found["Resources"]) == (0, [])


def test_the_discovered_schema_has_what_the_provider_maps(entra: Provider) -> None:
    schemas = {each["id"]: each for each in entra.get("/Schemas").ok()["Resources"]}
    core = {each["name"] for each in schemas[USER]["attributes"]}
    assert {"userName", "name", "displayName", "emails", "active", "phoneNumbers", "addresses", "title"} <= core
    assert {"department", "manager", "employeeNumber"} <= {each["name"] for each in schemas[ENTERPRISE]["attributes"]}


def test_a_create_is_answered_with_what_was_sent(entra: Provider, made: Json) -> None:
    kept = {name: value for name, value in lyra().items() if name not in {"schemas", "meta", "roles"}}
    assert {name: made[name] for name in kept} == kept
    assert made["meta"]["resourceType"] == "User"
    assert set(made["schemas"]) == {USER, ENTERPRISE}


def test_a_duplicate_is_a_conflict(entra: Provider, made: Json) -> None:
    entra.post("/Users", lyra()).refused(409, "uniqueness")


@pytest.mark.parametrize(
    "condition",
    [
        'userName eq "lyra@acme.example"',
        'userName Eq "LYRA@ACME.EXAMPLE"',
        'externalId eq "lyra"',
        'emails[type eq "work"].value eq "lyra@acme.example"',
        'emails[type eq "work" and value eq "lyra@acme.example"]',
        'phoneNumbers[type eq "mobile"].value eq "+47 5550100"',
        f'{ENTERPRISE}:employeeNumber eq "7"',
        'displayName eq "lyra belacqua" and active eq true',
    ],
)
def test_every_matching_attribute_finds_the_person(entra: Provider, made: Json, condition: str) -> None:
    assert [person["id"] for person in entra.find("Users", condition)["Resources"]] == [made["id"]]


def test_a_plus_stands_for_a_space_in_a_query(entra: Provider, made: Json) -> None:
    found = entra.get("/Users?filter=userName+eq+%22lyra%40acme.example%22").ok()
    assert found["totalResults"] == 1


def test_an_unknown_id_is_404(entra: Provider) -> None:
    entra.get(f"/Users/{uuid4()}").refused(404)


@pytest.mark.parametrize("value", ["False", "false", False])
@pytest.mark.parametrize("verb", ["Replace", "replace", "Add"])
def test_disabling_understands_words_and_booleans(entra: Provider, path: str, verb: str, value: object) -> None:
    assert entra.patch(path, {"op": verb, "path": "active", "value": value}).ok()["active"] is False
    assert entra.get(path).ok()["active"] is False
    assert entra.find("Users", 'userName eq "lyra@acme.example"')["Resources"][0]["active"] is False


def test_enabling_understands_a_word(entra: Provider, path: str) -> None:
    entra.patch(path, {"op": "Replace", "path": "active", "value": "False"}).ok()
    assert entra.patch(path, {"op": "Replace", "path": "active", "value": "True"}).ok()["active"] is True


def test_one_request_changes_several_attributes_by_path(entra: Provider, path: str) -> None:
    answer = entra.patch(
        path,
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "silvertongue@acme.example"},
        {"op": "Replace", "path": "name.familyName", "value": "Silvertongue"},
        {"op": "Add", "path": "nickName", "value": "Lizzie"},
        {"op": "Add", "path": 'phoneNumbers[type eq "work"].value', "value": "+47 5550199"},
        {"op": "Replace", "path": 'addresses[type eq "work"].country', "value": "GB"},
        {"op": "Replace", "path": f"{ENTERPRISE}:department", "value": "Jordan College"},
        {"op": "Remove", "path": "title"},
    ).ok()
    assert answer["emails"] == [{"primary": True, "type": "work", "value": "silvertongue@acme.example"}]
    assert (answer["name"]["givenName"], answer["name"]["familyName"]) == ("Lyra", "Silvertongue")
    assert answer["nickName"] == "Lizzie"
    assert element(answer, "phoneNumbers", "work")["value"] == "+47 5550199"
    assert element(answer, "phoneNumbers", "mobile")["value"] == "+47 5550100"
    assert element(answer, "addresses", "work") == {
        "primary": False, "type": "work", "country": "GB", "formatted": "Svalbard 1",
    }  # fmt: skip
    assert answer[ENTERPRISE] == {"department": "Jordan College", "employeeNumber": "7"}
    assert "title" not in answer
    assert entra.get(path).ok() == answer


def test_a_value_without_a_path_has_dotted_filtered_and_urn_keys(entra: Provider, path: str) -> None:
    value = {
        "displayName": "Lyra S.",
        "name.givenName": "Lyra Jane",
        "name.familyName": "Silvertongue",
        'emails[type eq "work"].value': "lyra.s@acme.example",
        'phoneNumbers[type eq "mobile"].value': "+44 5550100",
        'addresses[type eq "work"].formatted': "Jordan College, Oxford",
        f"{ENTERPRISE}:department": "Oxford",
        f"{ENTERPRISE}:employeeNumber": "8",
        "preferredLanguage": "cy-GB",
    }
    answer = entra.patch(path, {"op": "replace", "value": value}).ok()
    assert (answer["displayName"], answer["preferredLanguage"]) == ("Lyra S.", "cy-GB")
    assert (answer["name"]["givenName"], answer["name"]["familyName"]) == ("Lyra Jane", "Silvertongue")
    assert element(answer, "emails", "work")["value"] == "lyra.s@acme.example"
    assert element(answer, "phoneNumbers", "mobile")["value"] == "+44 5550100"
    assert element(answer, "addresses", "work")["formatted"] == "Jordan College, Oxford"
    assert answer[ENTERPRISE] == {"department": "Oxford", "employeeNumber": "8"}
    assert not [name for name in answer if "." in name.removeprefix(ENTERPRISE) or "[" in name]
    assert User.objects.get(pk=answer["id"]).email == "lyra.s@acme.example"


def test_core_names_may_carry_their_urn(entra: Provider, path: str) -> None:
    answer = entra.patch(
        path,
        {"op": "Replace", "path": f"{USER}:displayName", "value": "L."},
        {"op": "Replace", "path": f"{USER}:name.givenName", "value": "Lizzie"},
        {"op": "Add", "value": {f"{USER}:title": "Traveller", ENTERPRISE: {"division": "Scholars"}}},
    ).ok()
    assert (answer["displayName"], answer["name"]["givenName"], answer["title"]) == ("L.", "Lizzie", "Traveller")
    assert answer[ENTERPRISE] == {"department": "North", "employeeNumber": "7", "division": "Scholars"}


def test_an_add_to_a_missing_element_makes_it(entra: Provider, path: str) -> None:
    answer = entra.patch(
        path,
        {"op": "Add", "path": 'addresses[type eq "home"].locality', "value": "Oxford"},
        {"op": "Add", "path": 'addresses[type eq "home"].postalCode', "value": "OX1 3DW"},
        {"op": "Add", "path": 'emails[type eq "other"].value', "value": "l@home.example"},
    ).ok()
    assert element(answer, "addresses", "home") == {"type": "home", "locality": "Oxford", "postalCode": "OX1 3DW"}
    assert element(answer, "emails", "other")["value"] == "l@home.example"
    assert User.objects.get(pk=answer["id"]).email == "lyra@acme.example"


@pytest.mark.parametrize("shape", ["word", "object", "list"])
@pytest.mark.parametrize("verb", ["Add", "Replace"])
def test_a_manager_is_set_in_every_shape_and_removed(
    entra: Provider, path: str, acme: Company, verb: str, shape: str
) -> None:
    boss = str(acme.owner.id)
    value = {"word": boss, "object": {"value": boss}, "list": [{"$ref": f"/Users/{boss}", "value": boss}]}[shape]
    answer = entra.patch(path, {"op": verb, "path": MANAGER, "value": value}).ok()
    assert answer[ENTERPRISE]["manager"]["value"] == boss
    found = entra.find("Users", f'{MANAGER}.value eq "{boss}"')
    assert [person["id"] for person in found["Resources"]] == [answer["id"]]
    gone = entra.patch(path, {"op": "Remove", "path": MANAGER}).ok()
    assert gone[ENTERPRISE] == {"department": "North", "employeeNumber": "7"}


def test_a_manager_is_replaced(entra: Provider, path: str, acme: Company) -> None:
    for boss in (acme.owner, acme.member):
        answer = entra.patch(path, {"op": "Replace", "path": f"{MANAGER}.value", "value": str(boss.id)}).ok()
        assert answer[ENTERPRISE]["manager"]["value"] == str(boss.id)


def test_the_single_app_role_mapping_names_the_primary_role(entra: Provider, path: str) -> None:
    operation = {"op": "Replace", "path": 'roles[primary eq "True"].value', "value": "admin"}
    answer = entra.patch(path, {**operation, "op": "Add"}).ok()
    assert [role["value"] for role in answer["roles"]] == ["admin"]
    assert User.objects.get(pk=answer["id"]).role == "admin"


def test_a_user_name_is_updated(entra: Provider, path: str, acme: Company) -> None:
    answer = entra.patch(path, {"op": "Replace", "path": "userName", "value": "silver@acme.example"}).ok()
    assert answer["userName"] == "silver@acme.example"
    refused = {"op": "Replace", "path": "userName", "value": acme.member.user_name.upper()}
    entra.patch(path, refused).refused(409, "uniqueness")


def test_removing_a_required_or_read_only_attribute_is_refused(entra: Provider, path: str) -> None:
    for name in ("id", "meta", "groups"):
        entra.patch(path, {"op": "Remove", "path": name}).refused(400, "mutability")
    entra.patch(path, {"op": "Remove", "path": "userName"}).refused(400, "mutability")
    assert entra.get(path).ok()["userName"] == "Lyra@acme.example"


def test_a_request_that_fails_in_part_changes_nothing(entra: Provider, path: str) -> None:
    before = entra.get(path).ok()
    entra.patch(
        path,
        {"op": "Replace", "path": "displayName", "value": "Half"},
        {"op": "Replace", "path": "shoeSize", "value": "37"},
    ).refused(400, "invalidPath")
    assert entra.get(path).ok() == before


def test_a_leaver_is_out_whatever_is_refused_beside(entra: Provider, path: str) -> None:
    answer = entra.patch(
        path,
        {"op": "Replace", "path": 'addresses[type eq "home"].locality', "value": "Jordan"},
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "Replace", "path": "shoeSize", "value": "37"},
    ).refused(400, "noTarget")
    assert answer["detail"].startswith("The person's access has ended. ")
    assert entra.get(path).ok()["active"] is False


def test_a_person_is_deleted_for_good_and_only_once(entra: Provider, path: str) -> None:
    entra.patch(path, {"op": "Replace", "path": "active", "value": "False"}).ok()
    entra.delete(path).ok(204)
    entra.get(path).refused(404)
    entra.delete(path).refused(404)
    assert entra.find("Users", 'userName eq "lyra@acme.example"')["totalResults"] == 0


def test_a_delete_of_somebody_unknown_is_404(entra: Provider) -> None:
    entra.delete(f"/Users/{uuid4()}").refused(404)
