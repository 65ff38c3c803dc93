"""A workspace's list of hosts that its targets may be on."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from rotation import connectors
from rotation.connectors.base import Capabilities, Closed, Connector, Login, TargetSettings
from tests.companies import TESTS, Company
from tests.console_world import text_of
from workspace import hosts
from workspace.crypto import Secret
from workspace.errors import Invalid
from workspace.models import Account, AuditEvent, Workspace


def page(workspace: Workspace) -> str:
    return reverse("admin:workspace_workspace_limit_hosts", args=[workspace.pk])


def post(browser: Client, path: str, **data: Any) -> str:
    """The page that is shown in the end."""
    return browser.post(path, data, follow=True).content.decode()


LIST = ["*.db.example", "10.0.0.5", "api.example", "fd12::7"]


@pytest.mark.parametrize(
    "host",
    ["api.example", "API.Example.", "x.db.example", "a.b.db.example", "10.0.0.5", "fd12::7", "FD12:0::7"],
)
def test_a_host_on_the_list_is_permitted_in_every_spelling_of_it(host: str) -> None:
    assert hosts.permits(LIST, host)


@pytest.mark.parametrize(
    "host",
    [
        "db.example", "api.example.evil", "x.api.example", "evil-db.example", ".db.example", "10.0.0.50", "167772165",
        "0x0a000005", "10.5", "", "*.db.example.evil", "::ffff:10.0.0.5",
    ],
)  # fmt: skip
def test_any_other_host_is_not(host: str) -> None:
    assert not hosts.permits(LIST, host)


def test_an_empty_list_permits_every_host() -> None:
    assert hosts.permits([], "anything.example")


@pytest.mark.parametrize(
    "text", ["", "*", "*.", "a b", "https://a", "a:443", "a/b", "*.*.example", "a*b", "ä.example", ".a", "x" * 254,
             "[::1]"]
)  # fmt: skip
def test_what_is_no_host_is_not_listed(text: str) -> None:
    with pytest.raises(Invalid, match="is no host") as refusal:
        hosts.entry(text)
    assert refusal.value.field == "hosts"


def test_the_list_is_kept_in_one_spelling_and_its_change_recorded(acme: Company) -> None:
    for _ in range(2):
        hosts.allow(acme.workspace, [" B.example", "a.EXAMPLE.", "a.example", "FD12:0::7"], actor=TESTS)
    acme.workspace.refresh_from_db()
    assert acme.workspace.target_hosts == ["a.example", "b.example", "fd12::7"]
    event = AuditEvent.objects.get(verb="workspace.hosts_allowed")
    assert event.detail == {"hosts": ["a.example", "b.example", "fd12::7"]}


def test_a_list_without_end_is_refused(acme: Company) -> None:
    with pytest.raises(Invalid, match="At most 200"):
        hosts.allow(acme.workspace, (f"h{number}.example" for number in range(201)), actor=TESTS)


def account(company: Company, connector: str = "postgres", **target: Any) -> Account:
    return Account(workspace=company.workspace, name="Database", connector=connector, username="app", target=target)


@pytest.mark.parametrize(
    ("connector", "target"),
    [
        ("postgres", {"host": "db.elsewhere.example"}), ("redis_acl", {"host": "10.9.9.9"}),
        ("http_api", {"url": "https://api.example/", "login_url": "https://elsewhere.example/"}),
        ("http_api", {"url": "https://elsewhere.example/", "login_url": "https://api.example/"}),
        ("http_api", {"url": "https://api.example/", "sessions_url": "https://elsewhere.example/"}),
    ],
)  # fmt: skip
def test_no_connector_is_made_to_a_host_that_is_not_listed(
    acme: Company, rival: Company, connector: str, target: dict[str, str]
) -> None:
    hosts.allow(acme.workspace, ["api.example", "*.db.example"], actor=TESTS)
    acme.workspace.refresh_from_db()
    with pytest.raises(Invalid, match="not allowed in this workspace"):
        connectors.of(account(acme, connector, **target), timeout=1)
    assert connectors.of(account(rival, connector, **target), timeout=1)


def test_a_connector_is_made_to_hosts_that_are_listed(acme: Company) -> None:
    hosts.allow(acme.workspace, ["api.example", "*.db.example"], actor=TESTS)
    acme.workspace.refresh_from_db()
    assert connectors.of(account(acme, host="one.db.example"), timeout=1)
    assert connectors.of(account(acme, "http_api", url="https://API.example/", login_url=""), timeout=1)
    assert connectors.of(account(acme, "by_hand"), timeout=1)


class Silent(Connector):
    """Does not say where it connects to."""

    key = "silent"
    label = "Silent"
    capabilities = Capabilities(self_change=True, can_verify=True)
    Settings = TargetSettings

    def change(self, new: Secret, *, current: Secret | None, admin: Login | None) -> None:
        return

    def verify(self, password: Secret) -> bool:
        return True

    def close_sessions(self, *, new: Secret, admin: Login | None) -> Closed:
        return Closed()


def test_a_connector_that_does_not_say_where_it_goes_is_refused_where_there_is_a_list(
    acme: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connectors.REGISTRY, "silent", Silent)
    assert connectors.of(account(acme, "silent"), timeout=1)
    hosts.allow(acme.workspace, ["api.example"], actor=TESTS)
    acme.workspace.refresh_from_db()
    with pytest.raises(Invalid, match="unknown host"):
        connectors.of(account(acme, "silent"), timeout=1)


def test_an_owner_edits_the_list_of_their_own_workspace_alone(acme: Company, rival: Company) -> None:
    path = page(acme.workspace)
    assert "in force from now on" in post(acme.browser(), path, hosts="db.example\r\n*.api.example\n")
    acme.workspace.refresh_from_db()
    assert acme.workspace.target_hosts == ["*.api.example", "db.example"]
    assert "*.api.example" in text_of(acme.browser(), path)
    assert "is no host" in post(acme.browser(), path, hosts="https://db.example")
    post(acme.browser(), page(rival.workspace), hosts="acme.example")
    rival.workspace.refresh_from_db()
    assert rival.workspace.target_hosts == []


def test_the_form_of_an_account_refuses_a_host_that_is_not_listed(acme: Company) -> None:
    hosts.allow(acme.workspace, ["db.example"], actor=TESTS)
    values = {
        "name": "Reporting", "username": "report", "connector": "postgres", "postgres__port": "5432",
        "postgres__host": "elsewhere.example", "password_length": "24", "password_classes": ["lower"],
    }  # fmt: skip
    assert "not allowed in this workspace" in post(acme.browser(), "/admin/workspace/account/add/", **values)
    assert not Account.objects.filter(name="Reporting").exists()
    post(acme.browser(), "/admin/workspace/account/add/", **{**values, "postgres__host": "DB.example"})
    assert Account.objects.get(name="Reporting").target["host"] == "DB.example"
