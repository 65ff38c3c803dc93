"""People who were here before provisioning: matched, adopted, and shown as such; and whose names differ."""

from typing import Any

import pytest

from scim.models import ProvisioningEvent
from tests.companies import TESTS, Company
from tests.console_world import text_of
from tests.scim.test_users import OKTA_OFF, create_body, operation, send
from tests.workspace.test_admin_acts import page
from workspace import deactivation, people
from workspace.models import AuditEvent, User
from workspace.people import Profile

pytestmark = pytest.mark.django_db

PEOPLE = "/admin/workspace/user/"


@pytest.fixture
def local(acme: Company) -> User:
    """A person whom the Owner added by hand."""
    profile = Profile("Grace@acme.example", email="grace@acme.example", given_name="Grace", family_name="Hopper")
    return people.provision(acme.workspace, profile, actor=TESTS, managed=False)


def matched(company: Company, name: str) -> Any:
    found = send(company.okta(), "GET", f'/Users?filter=userName eq "{name}"&startIndex=1&count=100').data
    [resource] = found["Resources"]
    return resource


@pytest.mark.parametrize("verb", ["PUT", "PATCH"])
def test_a_match_adopts_who_was_here_under_the_same_id(acme: Company, rival: Company, local: User, verb: str) -> None:
    whole = matched(acme, "GRACE@ACME.EXAMPLE")
    path = f"/Users/{whole['id']}"
    if verb == "PUT":
        answer = send(acme.okta(), "PUT", path, {**whole, "externalId": "00ugrace"})
    else:
        answer = send(acme.okta(), "PATCH", path, operation("replace", value={"externalId": "00ugrace"}))
    assert (answer.status_code, answer.data["id"]) == (200, str(local.pk))
    local.refresh_from_db()
    assert local.adopted_at is not None
    assert local.adopted_at == local.provisioned_at
    assert AuditEvent.objects.get(verb="person.updated").detail["adopted"] is True
    assert {"adopted: the person was here before", "externalId"} <= set(ProvisioningEvent.objects.get().attributes)


def test_an_update_that_changes_nothing_adopts_as_well_and_once(acme: Company, local: User) -> None:
    whole = matched(acme, local.user_name)
    send(acme.okta(), "PUT", f"/Users/{local.pk}", whole)
    local.refresh_from_db()
    first = local.adopted_at
    assert first is not None
    send(acme.okta(), "PUT", f"/Users/{local.pk}", {**whole, "title": "Admiral"})
    local.refresh_from_db()
    assert local.adopted_at == first


def test_a_person_whom_okta_made_is_not_adopted(acme: Company) -> None:
    made = send(acme.okta(), "POST", "/Users", create_body()).data
    send(acme.okta(), "PUT", f"/Users/{made['id']}", {**made, "title": "Countess"})
    assert User.objects.get(pk=made["id"]).adopted_at is None


def test_a_create_revives_and_adopts_who_was_here_and_left(acme: Company, local: User) -> None:
    deactivation.deactivate(local, actor=TESTS, reason="left")
    body = create_body("grace", userName="grace@acme.example")
    assert send(acme.okta(), "POST", "/Users", body).data["id"] == str(local.pk)
    local.refresh_from_db()
    assert local.adopted_at is not None


def test_who_leaves_by_their_first_update_is_adopted_too(acme: Company, local: User) -> None:
    send(acme.okta(), "PATCH", f"/Users/{local.pk}", OKTA_OFF)
    local.refresh_from_db()
    assert (local.is_active, local.adopted_at is not None) == (False, True)


def test_the_console_shows_who_was_adopted(acme: Company, rival: Company, local: User) -> None:
    send(acme.okta(), "PUT", f"/Users/{local.pk}", matched(acme, local.user_name))
    listed = acme.browser().get(f"{PEOPLE}?managed=adopted")
    assert [user.pk for user in listed.context["cl"].queryset] == [local.pk]
    assert "Okta, adopted" in listed.content.decode()
    shown = text_of(acme.browser(), page(local))
    assert "Okta, adopted" in shown
    assert "was here before" in shown
    assert rival.browser().get(f"{PEOPLE}?managed=adopted").context["cl"].result_count == 0


# userName and e-mail


def test_a_user_name_that_is_not_the_e_mail_is_accepted_and_flagged(acme: Company, rival: Company) -> None:
    made = send(acme.okta(), "POST", "/Users", create_body(userName="alovelace"))
    assert made.status_code == 201
    listed = acme.browser().get(f"{PEOPLE}?name=apart")
    assert [user.user_name for user in listed.context["cl"].queryset] == ["alovelace"]
    shown = text_of(acme.browser(), f"{PEOPLE}{made.data['id']}/change/")
    assert "userName ≠ e-mail" in shown
    assert "Email as the application username format" in shown
    assert apart(acme) == 1
    assert apart(rival) == 0


@pytest.mark.parametrize("name", ["ADA@acme.example", "ada@acme.example"])
def test_letter_case_is_no_difference(acme: Company, name: str) -> None:
    made = send(acme.okta(), "POST", "/Users", create_body(userName=name)).data
    assert apart(acme) == 0
    assert not User.objects.get(pk=made["id"]).is_named_apart


@pytest.mark.parametrize("odd", ["alovelace", "İda@acme.example", "ada@acme.example"])
def test_the_flag_on_a_row_and_in_a_query_agree(acme: Company, odd: str) -> None:
    send(acme.okta(), "POST", "/Users", create_body(userName=odd))
    flagged = {user.pk for user in User.objects.filter(workspace=acme.workspace) if user.is_named_apart}
    assert flagged == set(User.objects.filter(workspace=acme.workspace).named_apart().values_list("pk", flat=True))


def test_who_left_and_who_is_not_managed_is_not_flagged(acme: Company) -> None:
    made = send(acme.okta(), "POST", "/Users", create_body(userName="alovelace")).data
    send(acme.okta(), "PATCH", f"/Users/{made['id']}", OKTA_OFF)
    people.provision(acme.workspace, Profile("local", email="l@acme.example"), actor=TESTS, managed=False)
    assert apart(acme) == 0


def apart(company: Company) -> int:
    """What the home page says."""
    cards = company.browser().get("/admin/").context["cards"]
    [count] = [figure.count for card in cards for figure in card.figures if figure.label.startswith("userName")]
    return int(count)
