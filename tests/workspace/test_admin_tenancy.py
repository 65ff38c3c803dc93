"""The console shows an Owner their own workspace and nothing else, on every page there is.

The pages are taken from the admin site itself: one that is added later is visited here too, or fails for want of a row.
"""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from rotation.models import Exposure
from tests.companies import PASSWORD, Company
from tests.console_world import (
    address,
    everything_of,
    forged,
    object_pages,
    pages,
    plain_pages,
    populate,
    row_of,
    support,
    text_of,
)
from workspace import webhooks
from workspace.models import ApiKey, Grant, Reveal, SecretVersion, User, WebhookEndpoint

pytestmark = pytest.mark.django_db

LISTS = [name for name in plain_pages() if name.endswith("_changelist")]
# Pages that answer anybody: nothing of a tenant is on them.
OPEN = {"login", "logout", "jsi18n"}


@pytest.fixture
def owner(acme: Company, rival: Company) -> Client:
    """Acme's Owner, in a world where both companies have a row of every kind."""
    populate(acme)
    populate(rival)
    return acme.browser()


def test_every_page_of_the_site_is_visited_here() -> None:
    assert set(pages()) == {*object_pages(), *plain_pages(), "app_list"}


@pytest.mark.parametrize("name", object_pages())
def test_anothers_id_is_an_id_that_does_not_exist(name: str, owner: Client, acme: Company, rival: Company) -> None:
    before = everything_of(rival)
    for answer in (
        owner.get(address(name, rival), follow=True),
        owner.post(address(name, rival), forged(acme, rival), follow=True),
    ):
        assert (answer.redirect_chain[-1][0], answer.status_code) == (reverse("admin:index"), 200)
        assert "doesn’t exist" in answer.content.decode()
        assert "rival" not in answer.content.decode().lower()
    assert everything_of(rival) == before


@pytest.mark.parametrize("name", object_pages())
def test_a_page_of_ones_own_takes_nothing_of_anothers(name: str, owner: Client, acme: Company, rival: Company) -> None:
    before = everything_of(rival)
    own = address(name, acme)
    shown = [owner.get(own, follow=True), owner.post(own, forged(acme, rival), follow=True)]
    assert shown[0].status_code == 200
    assert shown[1].status_code in {200, 405}
    for answer in shown:
        assert "rival" not in answer.content.decode().lower().replace(str(rival.member.pk), "")
    assert everything_of(rival) == before
    assert not Grant.objects.filter(workspace=acme.workspace).exclude(account__workspace=acme.workspace).exists()


@pytest.mark.parametrize("name", sorted({*plain_pages()} - OPEN))
def test_lists_and_forms_neither_show_nor_take_anything_of_anothers(
    name: str, owner: Client, acme: Company, rival: Company
) -> None:
    before = everything_of(rival)
    path, listed = address(name, acme), name.endswith(("_changelist", "_csv"))
    query = {"s": "e", "term": "e", "app_label": "workspace", "model_name": "grant", "field_name": "user"}
    for answer in (
        owner.get(path, {} if listed else query), owner.post(path, forged(acme, rival), follow=True)
    ):  # fmt: skip
        assert answer.status_code in {200, 302, 403, 404, 405}
        assert "rival" not in answer.getvalue().decode().lower()
    assert everything_of(rival) == before


@pytest.mark.parametrize("label", ["workspace", "rotation", "scim"])
def test_the_list_of_models_names_no_tenant(label: str, owner: Client) -> None:
    assert "rival" not in text_of(owner, reverse("admin:app_list", args=[label])).lower()


@pytest.mark.parametrize("name", LISTS)
def test_a_search_for_another_finds_nothing(name: str, owner: Client, acme: Company) -> None:
    answer = owner.get(address(name, acme), {"q": "rival"})
    assert answer.context["cl"].result_count == 0
    page = answer.content.decode().lower()
    for echo in ("q=rival", "q%3drival", 'value="rival"'):
        page = page.replace(echo, "")
    assert "rival" not in page


@pytest.mark.parametrize("name", LISTS)
def test_filters_name_no_other_tenant_and_take_none(name: str, owner: Client, acme: Company, rival: Company) -> None:
    path = address(name, acme)
    assert "By workspace" not in text_of(owner, path)
    for lookup in ("workspace__id__exact", "workspace", "workspace__slug__startswith"):
        assert owner.get(path, {lookup: str(rival.workspace.pk)}).status_code == 400


@pytest.mark.parametrize("name", LISTS)
def test_counts_beside_the_filters_count_ones_own(name: str, owner: Client, acme: Company) -> None:
    page = owner.get(address(name, acme), {"_facets": "True"})
    assert page.status_code == 200
    if name == "workspace_user_changelist":
        assert "Disabled (1)" in page.content.decode()


def test_a_popup_cannot_ask_for_another_column(owner: Client) -> None:
    path = reverse("admin:workspace_user_changelist")
    assert owner.get(path, {"_popup": "1", "_to_field": "password"}).status_code == 400


@pytest.mark.parametrize(
    ("name", "lookup"),
    [
        ("workspace_user", "password__startswith"), ("workspace_user", "is_active__exact"),
        ("workspace_user", "grants__account__name"), ("workspace_account", "versions__sealed__startswith"),
        ("scim_scimtoken", "digest__startswith"), ("scim_scimtoken", "lookup__startswith"),
        ("workspace_webhookendpoint", "sealed__startswith"), ("workspace_delivery", "endpoint__sealed__startswith"),
        ("workspace_auditevent", "workspace__isnull"),
    ],
)  # fmt: skip
def test_a_list_cannot_be_asked_what_it_does_not_show(owner: Client, name: str, lookup: str) -> None:
    """Django lets a URL filter by any column of the model, which would tell a hash or a digest letter by letter."""
    assert owner.get(reverse(f"admin:{name}_changelist"), {lookup: "a"}).status_code == 400


@pytest.mark.parametrize(
    ("model", "field"),
    [("grant", "user"), ("grant", "team"), ("account", "admin_account"), ("teammembership", "user"),
     ("apikey", "user"), ("reveal", "account")],
)  # fmt: skip
def test_select_boxes_offer_rows_of_ones_own_workspace_only(
    owner: Client, acme: Company, rival: Company, model: str, field: str
) -> None:
    query = {"app_label": "workspace", "model_name": model, "field_name": field, "term": ""}
    offered = {item["id"] for item in owner.get(reverse("admin:autocomplete"), query).json()["results"]}
    mine, theirs = ({str(c.member.pk), str(c.owner.pk), str(c.team.pk), str(c.account.pk)} for c in (acme, rival))
    assert offered & mine
    assert not offered & theirs


@pytest.mark.parametrize("field", ["workspace", "event"])
def test_select_boxes_do_not_list_tenants(owner: Client, rival: Company, field: str) -> None:
    query = {"app_label": "workspace", "model_name": "auditseal", "field_name": field, "term": ""}
    assert "Rival" not in owner.get(reverse("admin:autocomplete"), query).content.decode()


def test_nobody_but_owners_and_the_platform_gets_in(owner: Client, acme: Company) -> None:
    half = acme.person("half")
    User.objects.filter(pk=half.pk).update(role="admin")
    for browser in (Client(), acme.browser(acme.member), acme.browser(half)):
        for name in {*object_pages(), *plain_pages()} - OPEN:
            path = address(name, acme)
            for answer in (browser.get(path), browser.post(path, forged(acme, acme))):
                assert answer["Location"].startswith(reverse("admin:login")), name
    assert not Grant.objects.filter(end_reason="forged").exists()


@pytest.mark.parametrize("who", ["owner", "support"])
def test_no_page_contains_a_secret(who: str, owner: Client, acme: Company) -> None:
    browser = owner if who == "owner" else acme.browser(support())
    secrets = secrets_of(acme)
    for name in {*object_pages(), *plain_pages()} - OPEN:
        page = text_of(browser, address(name, acme), follow=True)
        assert [secret for secret in secrets if secret in page] == [], name


def secrets_of(company: Company) -> list[str]:
    sealed = [bytes(version.sealed) for version in SecretVersion.objects.filter(account=company.account)]
    endpoints = WebhookEndpoint.objects.for_workspace(company.workspace)
    sealed += [bytes(endpoint.sealed) for endpoint in endpoints]
    digests = [bytes(key.digest) for key in ApiKey.objects.filter(user=company.member)]
    hashes = list(User.objects.filter(workspace=company.workspace).values_list("password", flat=True))
    return [
        PASSWORD, company.account_password.reveal(), company.scim_token, company.api_key,
        company.scim_token[-20:], *(secret.reveal() for each in endpoints for secret in webhooks.signing_secrets(each)),
        *filter(lambda text: len(text) > 20, hashes),
        *(raw.hex() for raw in sealed + digests), *(repr(raw)[2:-1] for raw in sealed + digests),
    ]  # fmt: skip


def test_platform_staff_see_every_workspace(owner: Client, acme: Company, rival: Company) -> None:
    browser = acme.browser(support())
    for name in object_pages():
        for company in (acme, rival):
            answer = browser.get(address(name, company), follow=True)
            assert answer.status_code == 200, name
            assert "doesn’t exist" not in answer.content.decode(), name


@pytest.mark.parametrize("name", LISTS)
def test_platform_staff_filter_lists_by_workspace(name: str, owner: Client, acme: Company, rival: Company) -> None:
    browser = acme.browser(support())
    answer = browser.get(address(name, acme), {"workspace__id__exact": str(rival.workspace.pk)})
    if name == "workspace_workspace_changelist":
        assert answer["Location"].endswith("?e=1")  # what cannot be filtered by is an error, not everything
    else:
        assert "acme.example" not in answer.content.decode()


def test_nothing_is_deleted_anywhere(owner: Client, acme: Company) -> None:
    assert not [name for name in pages() if name.endswith("_delete")]
    counts = {model: model._default_manager.count() for model in (User, Grant, Exposure, Reveal, SecretVersion)}
    for name in LISTS:
        row = row_of(name, acme)
        path = address(name, acme)
        owner.post(path, {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"})
        owner.post(f"{path}{row.pk}/delete/", {"post": "yes"})
    assert counts == {model: model._default_manager.count() for model in counts}


def test_djangos_own_log_is_not_written(owner: Client, acme: Company) -> None:
    """It knows no tenants; the audit log is the history."""
    owner.post(reverse("admin:workspace_team_add"), {"display_name": "New"})
    assert not LogEntry.objects.exists()
    answer = owner.get(reverse("admin:workspace_team_history", args=[acme.team.pk]))
    assert answer["Location"].endswith(f"?subject_id__exact={acme.team.pk}")
    assert "team.members_changed" in text_of(owner, answer["Location"])
