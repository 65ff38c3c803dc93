"""A connector's refusal of a setting stands beside its field, in sight and for screen readers."""

import re
from typing import Any

import pytest

from rotation.admin.account_form import AccountForm
from tests.companies import TESTS, Company
from tests.workspace.test_admin_acts import post
from workspace import hosts

pytestmark = pytest.mark.django_db

ACCOUNT = {"name": "New one", "username": "app", "password_length": "24", "password_classes": ["lower"]}
RIGHT: dict[str, dict[str, str]] = {
    "http_api": {"url": "https://api.example.com/users/{username}"}, "ldap": {"host": "ldap.example.com"},
    "mariadb": {"host": "db.example.com"}, "postgres": {"host": "db.example.com"},
    "redis_acl": {"host": "kv.example.com"}, "rabbitmq": {"host": "mq.example.com"}, "scim_target": {"url": "https://app.example.com/scim/v2"},
    "ssh": {"host": "web.example.com"}, "web_form": {"url": "https://intranet.example.com/"},
}  # fmt: skip
WRONG = [
    ("http_api", "url", ""), ("http_api", "url", "https://api.example.com/{new}"), ("http_api", "headers", "Host: x"),
    ("http_api", "body", '{"password": "secret"}'), ("http_api", "done_status", "fine"),
    ("http_api", "policy_status", "200"), ("http_api", "login_url", "/login"),
    ("http_api", "login_rejected_status", "never"),
    ("ldap", "host", "ldap://x"), ("ldap", "bind_as", "uid=ana"), ("ldap", "tls", "perhaps"), ("ldap", "port", "70000"),
    ("mariadb", "host", ""), ("mariadb", "certificate_sha256", "abc"), ("mariadb", "user_host", "\x01"),
    ("postgres", "host", "/run/postgresql"), ("postgres", "port", "0"), ("postgres", "sslmode", "allow"),
    ("redis_acl", "host", "redis://x"), ("rabbitmq", "path_prefix", "/a/../b"),
    ("scim_target", "url", "app.example.com"),
    ("ssh", "host_key", "SHA256:short"), ("ssh", "host", "root@web"), ("web_form", "url", "intranet"),
    ("web_form", "recipe", "{"), ("web_form", "also_on", "elsewhere"),
]  # fmt: skip


def filled(connector: str, **settings: str) -> dict[str, Any]:
    wanted = {**RIGHT[connector], **settings}
    return {**ACCOUNT, "connector": connector, **{f"{connector}__{name}": value for name, value in wanted.items()}}


def form(acme: Company, data: dict[str, Any]) -> AccountForm:
    """As a browser sends it: every field as the page showed it, but those that were changed."""
    shown = AccountForm(workspace=acme.workspace)
    untouched = {bound.html_name: bound.value() for bound in shown if bound.value() not in (None, "", False)}
    return AccountForm({**untouched, **data}, workspace=acme.workspace)


@pytest.mark.parametrize("connector", sorted(RIGHT))
def test_an_account_of_each_kind_can_be_entered(acme: Company, connector: str) -> None:
    entered = form(acme, filled(connector))
    assert entered.is_valid(), entered.errors


@pytest.mark.parametrize(("connector", "setting", "value"), WRONG)
def test_a_setting_that_cannot_be_used_is_refused_at_its_field(
    acme: Company, connector: str, setting: str, value: str
) -> None:
    assert list(form(acme, filled(connector, **{setting: value})).errors) == [f"{connector}__{setting}"]


def test_a_host_off_the_workspaces_list_is_refused_at_its_field(acme: Company) -> None:
    hosts.allow(acme.workspace, ["db.example.com"], actor=TESTS)
    acme.workspace.refresh_from_db()
    assert form(acme, filled("postgres")).is_valid()
    assert list(form(acme, filled("postgres", host="elsewhere.example.com")).errors) == ["postgres__host"]
    assert list(form(acme, filled("http_api")).errors) == ["http_api__url"]


def test_a_screen_reader_is_told_what_is_wrong_with_a_field_and_what_it_is_for(acme: Company) -> None:
    shown = post(acme.browser(), "/admin/workspace/account/add/", **filled("ssh", host_key="SHA256:short"))
    field = re.search(r'<input[^>]*id="id_ssh__host_key"[^>]*>', shown)
    assert field
    assert 'aria-invalid="true"' in field[0]
    described = re.search(r'aria-describedby="([^"]*)"', field[0])
    assert described
    for name, words in zip(described[1].split(), ["The server's own key", "Must be a fingerprint"], strict=True):
        assert words in shown.partition(f'id="{name}"')[2][:400]
