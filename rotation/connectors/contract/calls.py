"""The calls that the contract makes, and what is kept of those that fail."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from rotation.connectors.base import Connector, FailureKind, Login, TargetError, validated
from rotation.connectors.contract.target import PLENTY, Target
from workspace.crypto import Secret


def connector_of(
    target: Target, username: str, *, host: str = "", port: int | None = None, timeout: float = PLENTY
) -> Connector:
    chosen = validated(target.kind, target.settings(host or target.host, port or target.port))
    return target.kind(chosen, username, timeout=timeout)


def calls_of(connector: Connector, old: Secret, new: Secret, admin: Login | None) -> list[Callable[[], object]]:
    """Every call that the connector declares to be possible."""
    able = connector.capabilities
    calls: list[tuple[bool, Callable[[], object]]] = [
        (admin is not None, lambda: connector.change(new, current=old, admin=admin)),
        (able.self_change, lambda: connector.change(new, current=old, admin=None)),
        (able.can_verify, lambda: connector.verify(old)),
        (able.closes_sessions, lambda: connector.close_sessions(new=old, admin=admin)),
        (able.two_passwords, lambda: connector.retire(new, new=old, admin=admin)),
    ]
    return [call for possible, call in calls if possible]


def assert_unreachable(connector: Connector, old: Secret, new: Secret, admin: Login | None) -> None:
    for call in calls_of(connector, old, new, admin):
        with pytest.raises(TargetError) as failure:
            call()
        assert failure.value.kind is FailureKind.UNREACHABLE


def collect(call: Callable[[], object], texts: list[str]) -> None:
    """Keep all that a log could show of a failure: words, repr, and what it was caused by."""
    try:
        call()
    except TargetError as error:
        found: BaseException | None = error
        while found is not None:
            texts.extend((str(found), repr(found), repr(vars(found))))
            found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
        raise


@contextmanager
def closed_port(host: str = "127.0.0.1") -> Iterator[int]:
    """A port that nobody listens on. It is taken meanwhile, so that no other program can begin to."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        taken.bind((host, 0))
        yield int(taken.getsockname()[1])
