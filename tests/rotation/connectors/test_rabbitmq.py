"""RabbitMQ users: the contract, and what only RabbitMQ does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rotation.connectors.base import FailureKind, Login, TargetError, validated
from rotation.connectors.contract import ConnectorContract, random_password, until
from rotation.connectors.rabbitmq import RabbitMq
from tests.rotation.connectors import rabbitmq_target
from tests.rotation.connectors.http_target import Canned, Service, serving
from tests.rotation.connectors.rabbitmq_target import RabbitMqTarget
from tests.rotation.connectors.tls import TlsFront, self_signed
from tests.waiting import PATIENCE
from workspace.crypto import Secret


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[RabbitMqTarget]:
    with rabbitmq_target.server() as server:
        yield server


@pytest.fixture
def target(rabbitmq: RabbitMqTarget) -> Iterator[RabbitMqTarget]:
    yield rabbitmq
    rabbitmq.drop_logins()


class TestRabbitMq(ConnectorContract):
    """The contract, with a user who may look at the management API."""

    able = RabbitMq.capabilities


# The tags


@pytest.mark.parametrize("tags", ["", "management", "policymaker,custom tag", "administrator,monitoring"])
def test_a_change_keeps_the_tags_and_the_limits(target: RabbitMqTarget, old: Secret, new: Secret, tags: str) -> None:
    connector = target.connector(target.make_login(old, tags))
    target.ask("PUT", f"user-limits/{connector.username}/max-connections", {"value": 7})
    before = target.user(connector.username)
    connector.change(new, current=old, admin=target.admin)
    after = target.user(connector.username)
    assert after["tags"] == before["tags"] == [tag for tag in tags.split(",") if tag]
    assert after["limits"] == {"max-connections": 7}
    assert after["password_hash"] != before["password_hash"]
    assert connector.verify(new)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "md5"])
def test_the_digest_stays_of_its_kind_unless_that_is_md5(
    target: RabbitMqTarget, old: Secret, new: Secret, algorithm: str
) -> None:
    name = target.make_login(old)
    stored = {"password_hash": "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "tags": "management"}
    target.ask("PUT", f"users/{name}", {**stored, "hashing_algorithm": f"rabbit_password_hashing_{algorithm}"})
    target.connector(name).change(new, current=None, admin=target.admin)
    kept = "sha256" if algorithm == "md5" else algorithm
    assert target.user(name)["hashing_algorithm"] == f"rabbit_password_hashing_{kept}"
    assert target.connector(name).verify(new)


# What the server says


def test_a_user_without_rights_in_the_api_still_tells_its_password(
    target: RabbitMqTarget, old: Secret, new: Secret
) -> None:
    connector = target.connector(target.make_login(old, ""))
    assert (connector.verify(old), connector.verify(new)) == (True, False)
    session = target.open_session(connector.username, old)
    connector.change(new, current=old, admin=target.admin)
    assert (connector.verify(old), connector.verify(new)) == (False, True)
    assert connector.close_sessions(new=new, admin=target.admin).sessions == 1
    assert until(lambda: not session.is_alive())
    session.close()


def test_an_admin_without_the_tag_is_told_from_one_with_a_wrong_password(
    target: RabbitMqTarget, old: Secret, new: Secret
) -> None:
    connector = target.connector(target.make_login(old))
    password = random_password()
    for tags in ("", "management", "monitoring,policymaker"):
        admin = Login(target.make_login(password, tags), password)
        with pytest.raises(TargetError, match=f"{admin.username} needs the tag administrator") as failure:
            connector.change(new, current=old, admin=admin)
        assert failure.value.kind is FailureKind.PERMISSION
        with pytest.raises(TargetError) as failure:
            connector.change(new, current=old, admin=Login(admin.username, random_password()))
        assert failure.value.kind is FailureKind.AUTHENTICATION
    assert connector.verify(old)


def test_a_user_cannot_change_itself_and_is_told_so(target: RabbitMqTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    for call in (
        lambda: connector.change(new, current=old, admin=None),
        lambda: connector.close_sessions(new=old, admin=None),
    ):
        with pytest.raises(TargetError, match="Name an admin account") as failure:
            call()
        assert failure.value.kind is FailureKind.PERMISSION
    assert connector.verify(old)


@pytest.mark.parametrize("name", ["app ü/%2F?#&", "o'brien \"x\""])
def test_names_are_asked_for_as_they_are(target: RabbitMqTarget, old: Secret, new: Secret, name: str) -> None:
    connector = target.connector(target.make(name, old, "management"))
    session = target.open_session(name, old)
    connector.change(new, current=old, admin=target.admin)
    assert (connector.verify(old), connector.verify(new)) == (False, True)
    assert connector.close_sessions(new=new, admin=target.admin).sessions == 1
    session.close()


@pytest.mark.parametrize("name", ["a:b", ".", ".."])
def test_names_that_cannot_be_asked_for_are_refused(target: RabbitMqTarget, new: Secret, name: str) -> None:
    with pytest.raises(TargetError, match="such a name") as failure:
        target.connector(name).change(new, current=None, admin=target.admin)
    assert failure.value.kind is FailureKind.PERMISSION


@pytest.mark.parametrize("tags", ["administrator", "policymaker", "management", ""])
def test_what_a_powerful_user_may_have_left_is_named(target: RabbitMqTarget, old: Secret, tags: str) -> None:
    follow_ups = target.connector(target.make_login(old, tags)).close_sessions(new=old, admin=target.admin).follow_ups
    assert [tags in line for line in follow_ups] == ([True] if tags in {"administrator", "policymaker"} else [])


# Answers that our own server does not give


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def scripted(service: Service) -> Iterator[RabbitMq]:
    """A connector to something that answers as it is told."""
    with serving(service) as port:
        settings = validated(RabbitMq, {"host": "127.0.0.1", "port": port, "path_prefix": "/rabbit"})
        yield RabbitMq(settings, "app", timeout=PATIENCE)


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (401, {"error": "not_authorized", "reason": "Not_Authorized"}, False),
        (401, {"error": "not_authorised", "reason": "User can only log in via localhost"}, True),
        (403, {"error": "not_authorised", "reason": "Not management user"}, True),
        (401, {"error": "not_authorised", "reason": "HTTP access denied: basic auth disabled"}, FailureKind.PERMISSION),
        (401, "<html>a proxy's own login</html>", FailureKind.PERMISSION), (403, {}, FailureKind.PERMISSION),
        (200, {"name": "somebody else"}, FailureKind.PERMISSION), (200, "a login page", FailureKind.UNREACHABLE),
        (302, "", FailureKind.PERMISSION), (503, "", FailureKind.UNREACHABLE), (429, "", FailureKind.UNREACHABLE),
    ],
)  # fmt: skip
def test_only_the_servers_own_words_judge_a_password(
    scripted: RabbitMq, service: Service, status: int, body: Any, verdict: bool | FailureKind
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    service.canned.append(Canned(status, text.encode()))
    if isinstance(verdict, FailureKind):
        with pytest.raises(TargetError) as failure:
            scripted.verify(random_password())
        assert failure.value.kind is verdict
    else:
        assert scripted.verify(random_password()) is verdict
    assert service.requests[0][0] == "GET /rabbit/api/whoami HTTP/1.1"


@pytest.mark.parametrize("body", ["[]", "{}", '{"tags": 7}', "[1]"])
def test_what_does_not_describe_a_user_is_not_written_over(scripted: RabbitMq, service: Service, body: str) -> None:
    service.canned.append(Canned(200, body.encode()))
    with pytest.raises(TargetError, match="does not describe") as failure:
        scripted.change(random_password(), current=None, admin=Login("operator", random_password()))
    assert failure.value.kind is FailureKind.PERMISSION
    assert len(service.requests) == 1


def test_the_tags_of_older_servers_are_kept_as_they_are(scripted: RabbitMq, service: Service) -> None:
    service.canned += [Canned(200, b'{"name": "app", "tags": "management,x"}'), Canned(204)]
    scripted.change(random_password(), current=None, admin=Login("operator", random_password()))
    assert json.loads(service.requests[1][2])["tags"] == "management,x"


def test_statistics_that_are_switched_off_leave_the_sessions_open(scripted: RabbitMq, service: Service) -> None:
    service.canned.append(Canned(400, b'{"error": "bad_request", "reason": "Stats in management UI are disabled"}'))
    with pytest.raises(TargetError, match="Stats in management UI are disabled") as failure:
        scripted.close_sessions(new=random_password(), admin=Login("operator", random_password()))
    assert failure.value.kind is FailureKind.PERMISSION


def test_tls_is_for_the_name_and_verified(
    target: RabbitMqTarget, old: Secret, new: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = self_signed(tmp_path, "localhost")
    with TlsFront((target.host, target.port), pem) as front:
        connector = target.connector(target.make_login(old), host="localhost", port=front.port, tls=True)
        with pytest.raises(TargetError, match="certificate verify failed") as failure:
            connector.verify(old)
        assert failure.value.kind is FailureKind.UNREACHABLE
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        connector.change(new, current=old, admin=target.admin)
        assert (connector.verify(old), connector.verify(new)) == (False, True)
        assert set(front.names) == {"localhost"}
