from typing import Any

import pytest

from rotation import connectors
from rotation.connectors.base import Connector
from rotation.connectors.postgres import Postgres
from workspace.errors import Invalid
from workspace.models import Account


def account(connector: str = "postgres", username: str = "app", **target: Any) -> Account:
    return Account(name="Database", connector=connector, username=username, target=target)


def test_an_account_gets_its_connector_with_its_settings() -> None:
    found = connectors.of(account(host="db.example", port=6432), timeout=7)
    assert isinstance(found, Postgres)
    assert (found.username, found.timeout) == ("app", 7)
    assert found.settings.model_dump() == {
        "host": "db.example", "port": 6432, "database": "postgres", "sslmode": "prefer"
    }  # fmt: skip


def test_an_unknown_connector_is_named_with_those_that_exist() -> None:
    with pytest.raises(Invalid, match=r"“telnet”.*by_hand, .*postgres, .*redis_acl") as error:
        connectors.of(account("telnet"), timeout=1)
    assert error.value.field == "connector"


@pytest.mark.parametrize(
    ("target", "field"),
    [({}, "host"), ({"host": "db.example", "port": 0}, "port"), ({"host": "a", "passwort": "x"}, "passwort")],
)
def test_settings_that_cannot_be_used_are_named(target: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid, match=field) as error:
        connectors.of(account(**target), timeout=1)
    assert error.value.field == "target"


@pytest.mark.parametrize("username", ["", "a\nb", "a\x00b"])
def test_a_login_needs_a_name_that_can_stand_in_a_protocol(username: str) -> None:
    with pytest.raises(Invalid) as error:
        connectors.of(account(username=username, host="db.example"), timeout=1)
    assert error.value.field == "username"


def test_an_account_changed_by_hand_needs_no_user_name() -> None:
    assert connectors.of(account("by_hand", ""), timeout=1).key == "by_hand"


@pytest.mark.parametrize("kind", connectors.REGISTRY.values())
def test_every_connector_says_what_it_is(kind: type[Connector]) -> None:
    assert connectors.REGISTRY[kind.key] is kind
    assert (kind.key, kind.label) in connectors.choices()
    assert len(kind.key) <= 40
    able = kind.capabilities
    assert able.can_verify or not (able.self_change or able.admin_reset)


@pytest.mark.parametrize("kind", connectors.REGISTRY.values())
def test_every_connector_that_reaches_out_says_where(kind: type[Connector]) -> None:
    """By a setting `host`, or by a property of its own; a workspace's list of hosts is kept by it."""
    says = "host" in kind.Settings.model_fields or kind.hosts is not Connector.hosts
    assert says or not kind.capabilities.can_verify


def test_choices_stand_in_the_order_of_their_labels() -> None:
    labels = [label for _, label in connectors.choices()]
    assert labels == sorted(labels)
