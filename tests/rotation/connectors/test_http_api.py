"""Declared HTTP APIs: the contract for either who may ask, and what declarations are refused or told apart by."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from rotation.connectors.base import Capabilities, FailureKind, TargetError, validated
from rotation.connectors.contract import ConnectorContract, random_password
from rotation.connectors.http_api import HttpApi
from tests.rotation.connectors.http_target import Canned, HttpTarget, Service, serving
from workspace.crypto import Secret
from workspace.errors import Invalid


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def target(service: Service) -> Iterator[HttpTarget]:
    with serving(service) as port:
        yield HttpTarget(service, port)


class TestHttpApi(ConnectorContract):
    """The contract, with an admin account that asks in JSON."""

    able = Capabilities(admin_reset=True, closes_sessions=True, can_verify=True)
    refused = "secret7"


class TestHttpApiItself(ConnectorContract):
    """The contract, with a login that asks for itself in forms, and whose login call answers 200 to everybody."""

    able = Capabilities(self_change=True, closes_sessions=True, can_verify=True)
    refused = "secret7"

    @pytest.fixture
    def target(self, service: Service) -> Iterator[HttpTarget]:
        declared = {
            "changed_by": "itself", "body_type": "form", "body": "password={new}&user={username}",
            "login_body_type": "form", "login_body": "username={username}&password={password}",
            "login_authorization": "none", "login_method": "POST", "login_accepted_json": "authenticated=true",
            "login_rejected_status": "200", "login_rejected_json": "authenticated=false",
        }  # fmt: skip
        wrong = {"url": "nowhere", "body": "password={new}&as={admin_username}", "login_body": "{password}"}
        with serving(service) as port:
            yield _Itself(service, port, declared, wrong)


class _Itself(HttpTarget):
    def settings(self, host: str, port: int) -> dict[str, Any]:
        return {**super().settings(host, port), "login_url": f"http://{host}:{port}/v1/login"}


# What an answer means


def test_a_service_that_says_done_is_not_believed(target: HttpTarget, old: Secret, new: Secret) -> None:
    target.service.lies = True
    connector = target.connector(target.make_login(old))
    connector.change(new, current=old, admin=target.admin)
    assert (connector.verify(new), connector.verify(old)) == (False, True)


def test_a_password_that_the_policy_refuses_is_its_refusal(target: HttpTarget, old: Secret) -> None:
    connector = target.connector(target.make_login(old))
    with pytest.raises(TargetError, match=r"the password \*\*\* is too short") as failure:
        connector.change(Secret("secret7"), current=old, admin=target.admin)
    assert failure.value.kind is FailureKind.POLICY
    assert connector.verify(old)


def test_a_policy_may_be_told_by_words_or_by_a_value(target: HttpTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old), policy_status="200", policy_json="why.0=weak")
    target.service.canned.append(Canned(200, b'{"why": ["weak"]}'))
    with pytest.raises(TargetError) as failure:
        connector.change(new, current=old, admin=target.admin)
    assert failure.value.kind is FailureKind.POLICY
    connector.change(new, current=old, admin=target.admin)
    connector = target.connector(connector.username, policy_status="400", policy_text="too weak")
    for words, kind in ((b"it is too weak", FailureKind.POLICY), (b"it is too late", FailureKind.PERMISSION)):
        target.service.canned.append(Canned(400, words))
        with pytest.raises(TargetError) as failure:
            connector.change(new, current=old, admin=target.admin)
        assert failure.value.kind is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, FailureKind.PERMISSION), (401, FailureKind.AUTHENTICATION), (403, FailureKind.PERMISSION),
        (404, FailureKind.PERMISSION), (408, FailureKind.UNREACHABLE), (429, FailureKind.UNREACHABLE),
        (500, FailureKind.UNREACHABLE), (501, FailureKind.PERMISSION), (503, FailureKind.UNREACHABLE),
    ],
)  # fmt: skip
def test_each_status_of_a_change_is_handled_by_its_meaning(
    target: HttpTarget, old: Secret, new: Secret, status: int, kind: FailureKind
) -> None:
    connector = target.connector(target.make_login(old))
    target.service.canned.append(Canned(status, b"because of the weather"))
    with pytest.raises(TargetError, match=f"{status}: because of the weather") as failure:
        connector.change(new, current=old, admin=target.admin)
    assert failure.value.kind is kind


@pytest.mark.parametrize("call", ["change", "verify", "close_sessions"])
def test_a_service_that_asks_for_patience_is_given_it(target: HttpTarget, old: Secret, new: Secret, call: str) -> None:
    connector = target.connector(target.make_login(old))
    target.service.canned.append(Canned(429, headers={"Retry-After": "120"}))
    with pytest.raises(TargetError) as failure:
        if call == "verify":
            connector.verify(old)
        elif call == "change":
            connector.change(new, current=old, admin=target.admin)
        else:
            connector.close_sessions(new=old, admin=target.admin)
    assert (failure.value.kind, failure.value.retry_after) == (FailureKind.UNREACHABLE, 120)


@pytest.mark.parametrize("status", [200, 301, 403, 404, 423])
def test_an_answer_to_a_login_that_was_not_declared_proves_nothing(
    target: HttpTarget, old: Secret, status: int
) -> None:
    connector = target.connector(target.make_login(old), login_accepted_status="204")
    target.service.canned.append(Canned(status))
    with pytest.raises(TargetError, match="neither accepted nor rejected") as failure:
        connector.verify(old)
    assert failure.value.kind is FailureKind.PERMISSION


def test_a_redirect_is_named_and_not_followed(target: HttpTarget, service: Service, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    elsewhere = f"http://127.0.0.1:{target.port}/v1/whoami"
    for status in (301, 302, 303, 307, 308):
        service.canned.append(Canned(status, headers={"Location": elsewhere}))
        with pytest.raises(TargetError, match="redirects are not followed") as failure:
            connector.change(new, current=old, admin=target.admin)
        assert failure.value.kind is FailureKind.PERMISSION
    assert [line.split()[0] for line, _, _ in service.requests] == ["PUT"] * 5


# What is sent


def test_what_is_declared_is_sent_and_values_stay_values(target: HttpTarget, service: Service) -> None:
    old, new = random_password(), Secret('"}], {new} \\ & = % #ü')
    service.people[name := 'o/p?q#"r&{current}'] = old.reveal()
    body = '{"a": [{"say": "{username}: {new}"}, 7, null], "by": "{admin_username}", "was": "{current}"}'
    connector = target.connector(name, body=body, headers="X-Client: cerby\n\nX-By: {admin_username}")
    service.canned.append(Canned(200))
    connector.change(new, current=old, admin=target.admin)
    line, headers, sent = service.requests[-1]
    assert line == "PUT /v1/users/o%2Fp%3Fq%23%22r%26%7Bcurrent%7D/password HTTP/1.1"
    assert (headers["x-client"], headers["x-by"]) == ("cerby", "operator")
    assert headers["host"] == f"127.0.0.1:{target.port}"
    assert json.loads(sent) == {
        "a": [{"say": f"{name}: {new.reveal()}"}, 7, None], "by": "operator", "was": old.reveal()
    }  # fmt: skip


def test_a_form_keeps_its_fields_apart(target: HttpTarget, service: Service, old: Secret) -> None:
    new = Secret("a&password=b+c %41=ü")
    connector = target.connector(target.make_login(old), body_type="form", body="q=x%20y&password={new}&{new}=")
    connector.change(new, current=old, admin=target.admin)
    assert service.requests[-1][2] == b"q=x+y&password=a%26password%3Db%2Bc+%2541%3D%C3%BC&%7Bnew%7D="
    assert connector.verify(new)


def test_a_bearer_token_is_the_admins_password(target: HttpTarget, service: Service, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old), authorization="bearer")
    service.canned.append(Canned(204))
    connector.change(new, current=old, admin=target.admin)
    assert service.requests[-1][1]["authorization"] == f"Bearer {service.operator}"


def test_a_declared_header_takes_the_place_of_ours(
    target: HttpTarget, service: Service, old: Secret, new: Secret
) -> None:
    headers = "authorization: Token {admin_password}\nACCEPT: text/plain\nuser-agent: mine\nX-Api-Key: {admin_password}"
    connector = target.connector(target.make_login(old), headers=headers)
    service.canned.append(Canned(200))
    connector.change(new, current=old, admin=target.admin)
    sent = service.requests[-1][1]
    assert sent["authorization"] == f"Token {service.operator}"
    assert (sent["x-api-key"], sent["accept"], sent["user-agent"]) == (service.operator, "text/plain", "mine")


def test_no_cookie_and_nothing_of_the_environment_is_sent(
    target: HttpTarget, service: Service, old: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    connector = target.connector(target.make_login(old))
    service.canned.append(Canned(200, headers={"Set-Cookie": "session=1; Path=/"}))
    assert connector.verify(old)
    assert connector.verify(old)
    assert set(service.requests[-1][1]) == {
        "host", "user-agent", "accept", "accept-encoding", "authorization", "connection"
    }  # fmt: skip


def test_a_request_that_needs_the_present_password_says_so(target: HttpTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old), body='{"password": "{new}", "old": "{current}"}')
    with pytest.raises(TargetError, match=r"needs \{current\}") as failure:
        connector.change(new, current=None, admin=target.admin)
    assert failure.value.kind is FailureKind.AUTHENTICATION


@pytest.mark.parametrize(
    ("username", "settings"),
    [
        ("a:b", {}), ("..", {}), (".", {}), ("ü", {"headers": "X-Who: {username}"}),
    ],
)  # fmt: skip
def test_names_that_would_mean_something_else_are_not_sent(
    target: HttpTarget, service: Service, old: Secret, new: Secret, username: str, settings: dict[str, Any]
) -> None:
    service.people[username] = old.reveal()
    changed_by = "itself" if ":" in username else "admin"
    connector = target.connector(username, changed_by=changed_by, **settings)
    with pytest.raises(TargetError) as failure:
        connector.change(new, current=old, admin=target.admin)
    assert failure.value.kind is FailureKind.PERMISSION
    assert service.requests == []


@pytest.mark.parametrize("token", ["two words", "tökén", "a\nb"])
def test_a_token_that_cannot_stand_in_a_header_is_not_sent(
    target: HttpTarget, service: Service, old: Secret, new: Secret, token: str
) -> None:
    service.operator = token
    connector = target.connector(target.make_login(old), authorization="bearer")
    with pytest.raises(TargetError, match="token") as failure:
        connector.change(new, current=old, admin=target.admin)
    assert token not in failure.value.detail
    assert service.requests == []


@pytest.mark.parametrize("url", ["https://x.example/{new}", "https://x.example/?was={current}", "https://{username}.x/"])
def test_no_password_stands_in_a_url_and_no_name_in_its_host(target: HttpTarget, url: str) -> None:
    with pytest.raises(Invalid, match="url"):
        target.connector("app", url=url)


@pytest.mark.parametrize(
    "url",
    [
        "https://", "//x.example/", "https:x.example", "file:///etc/passwd", "gopher://x/", "https://u:p@x.example/",
        "https://x.example:99999/", "https://x.example:0/", "https://x.example/#part", "https://x.example/a b",
        "https://x.example\\@169.254.169.254/", "https://ä.example/", "https://x.example/\r\nHost: y", "https://a,b/",
    ],
)  # fmt: skip
def test_urls_that_can_be_read_in_two_ways_are_refused(target: HttpTarget, url: str) -> None:
    for field in ("url", "login_url", "sessions_url"):
        with pytest.raises(Invalid, match=field):
            target.connector("app", **{field: url})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"body": '{"password": {new}}'}, "places in quotes"), ({"body": '{"p": "{nwe}"}'}, "no place {nwe}"),
        ({"body": "{}"}, "where the new password goes"), ({"headers": "Content-Length: 3"}, "Content-Length is set"),
        ({"headers": "X-Api-Key: 123"}, "Store it as the admin account's password"),
        ({"login_headers": "cookie: a=b"}, "must not hold a secret"), ({"headers": "X: a\nx: b"}, "declared once"),
        ({"headers": "X: {password}"}, "no place {password}"), ({"login_body": '{"a": "{new}"}'}, "not {new}"),
        ({"login_authorization": "none"}, "where the password goes"), ({"done_status": "200-700"}, "done_status"),
        ({"login_rejected_status": "200,401"}, "login_rejected_status"), ({"policy_json": "=x"}, "policy_json"),
    ],
)  # fmt: skip
def test_a_declaration_that_cannot_work_says_why(target: HttpTarget, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid) as refusal:
        target.connector("app", **settings)
    assert words in refusal.value.detail


# What cannot be known or closed


def test_without_a_login_call_nothing_is_verified_and_it_says_so(target: HttpTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old), login_url="")
    assert not connector.capabilities.can_verify
    connector.change(new, current=old, admin=target.admin)
    with pytest.raises(TargetError, match="No login call is declared") as failure:
        connector.verify(new)
    assert failure.value.kind is FailureKind.HUMAN


def test_tokens_and_sessions_that_no_request_ends_are_named(target: HttpTarget, old: Secret) -> None:
    connector = target.connector(target.make_login(old), sessions_url="")
    session = target.open_session(connector.username, old)
    closed = connector.close_sessions(new=old, admin=target.admin)
    assert (closed.sessions, len(closed.follow_ups)) == (0, 2)
    assert all(connector.username in line and "127.0.0.1" in line for line in closed.follow_ups)
    assert session.is_alive()
    assert len(target.connector(connector.username).close_sessions(new=old, admin=target.admin).follow_ups) == 1


@pytest.mark.parametrize(
    ("count", "body", "sessions"),
    [
        ("n", b'{"n": 3}', 3), ("", b'{"n": 3}', 0), ("n", b"fine", 0), ("n", b'{"n": "3"}', 0),
        ("n.x", b'{"n": 3}', 0), ("0.n", b'[{"n": 4}]', 4),
    ],
)  # fmt: skip
def test_sessions_are_counted_where_the_answer_says_how_many(
    target: HttpTarget, service: Service, old: Secret, count: str, body: bytes, sessions: int
) -> None:
    connector = target.connector(target.make_login(old), sessions_count=count)
    service.canned.append(Canned(200, body))
    assert connector.close_sessions(new=old, admin=target.admin).sessions == sessions


def test_sessions_that_could_not_be_ended_are_not_called_closed(
    target: HttpTarget, service: Service, old: Secret
) -> None:
    connector = target.connector(target.make_login(old))
    service.canned.append(Canned(403))
    with pytest.raises(TargetError, match="sessions was answered with 403") as failure:
        connector.close_sessions(new=old, admin=target.admin)
    assert failure.value.kind is FailureKind.PERMISSION


def test_a_login_changed_by_an_admin_says_who_is_missing(target: HttpTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    with pytest.raises(TargetError, match="admin account") as failure:
        connector.change(new, current=old, admin=None)
    assert failure.value.kind is FailureKind.PERMISSION


def test_every_host_that_is_spoken_to_is_said(target: HttpTarget) -> None:
    settings = {
        "url": "https://API.example:8443/x", "login_url": "https://login.example/", "sessions_url": "https://api.example/"
    }  # fmt: skip
    connector = HttpApi(validated(HttpApi, settings), "app", timeout=1)
    assert connector.hosts == ("api.example", "login.example")
    assert HttpApi.address_of(settings) == "api.example:8443"
    assert [HttpApi.address_of({"url": url}) for url in ("", "nonsense", "https://a:b/")] == ["", "nonsense", "https://a:b/"]
    assert HttpApi.address_of({}) == ""
