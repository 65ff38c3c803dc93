import pytest

from rotation.connectors.base import Capabilities, Connector, FailureKind, TargetError, validated
from rotation.connectors.by_hand import ByHand
from workspace.crypto import Secret
from workspace.errors import Invalid


@pytest.fixture
def connector() -> Connector:
    return ByHand(validated(ByHand, {}), "", timeout=1)


def test_nothing_is_claimed_to_be_possible() -> None:
    assert ByHand.capabilities == Capabilities()


def test_changing_and_verifying_are_a_persons(connector: Connector) -> None:
    with pytest.raises(TargetError) as failure:
        connector.change(Secret("new"), current=Secret("old"), admin=None)
    assert failure.value.kind is FailureKind.HUMAN
    with pytest.raises(TargetError) as failure:
        connector.verify(Secret("new"))
    assert failure.value.kind is FailureKind.HUMAN


def test_there_is_nothing_to_retire_or_to_close(connector: Connector) -> None:
    connector.retire(Secret("o"), new=Secret("n"), admin=None)
    closed = connector.close_sessions(new=Secret("n"), admin=None)
    assert (closed.sessions, closed.follow_ups) == (0, ())


def test_settings_are_refused_because_there_is_nothing_to_connect_to() -> None:
    with pytest.raises(Invalid, match="host"):
        validated(ByHand, {"host": "db.example"})
