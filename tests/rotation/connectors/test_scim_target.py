"""A password on somebody else's SCIM server: the contract in both manners, and what servers do differently."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rotation.connectors.base import Capabilities, Connector, FailureKind, Login, TargetError, validated
from rotation.connectors.contract import ConnectorContract, random_password
from rotation.connectors.scim_target import PATCH_OP, ScimTarget
from tests.rotation.connectors.http_target import Canned, HttpTarget, Service, serving
from tests.rotation.connectors.tls import TlsFront, self_signed
from tests.waiting import PATIENCE
from workspace.crypto import Secret
from workspace.errors import Invalid


@dataclass
class Target(HttpTarget):
    """The same service, by SCIM; its API is only logged in to."""

    kind: type[Connector] = ScimTarget  # type: ignore[assignment]  # an HttpTarget's is of another kind
    change_marker: bytes = b"PATCH /scim/v2/Users/"
    wrong_settings: dict[str, Any] = field(
        default_factory=lambda: {
            "url": "https://x.example/scim/v2?a=b", "method": "post", "login_url": "ftp://x", "login_body": "{",
            "login_rejected_status": "200",
        }
    )  # fmt: skip

    def settings(self, host: str, port: int) -> dict[str, Any]:
        base = f"http://{host}:{port}"
        return {"url": f"{base}/scim/v2", "login_url": f"{base}/v1/whoami", **self.declared}

    def scim(self, username: str, **settings: Any) -> ScimTarget:
        given = {**self.settings(self.host, self.port), **settings}
        return ScimTarget(validated(ScimTarget, given), username, timeout=PATIENCE)

    def recorded(self, act: Any) -> str:
        """The access log, in which SCIM's ids are readable again."""
        log = super().recorded(act)
        return log + "".join(name for name in self.service.people if name.encode().hex() in log)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def target(service: Service) -> Iterator[Target]:
    with serving(service) as port:
        yield Target(service, port)


class TestScimTarget(ConnectorContract):
    """The contract, by PATCH."""

    able = ScimTarget.capabilities
    refused = "secret7"


PUT = {"method": "put"}


def test_patch_sends_the_password_and_nothing_else(target: Target, service: Service, old: Secret, new: Secret) -> None:
    connector = target.scim(target.make_login(old))
    connector.change(new, current=old, admin=target.admin)
    line, headers, body = service.requests[-1]
    assert line.startswith("PATCH /scim/v2/Users/")
    assert headers["content-type"] == "application/scim+json"
    assert headers["authorization"] == f"Bearer {service.operator}"
    assert json.loads(body) == {
        "schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "password", "value": new.reveal()}]
    }  # fmt: skip
    assert (connector.verify(old), connector.verify(new)) == (False, True)


def test_put_writes_the_user_back_as_it_was(target: Target, service: Service, old: Secret, new: Secret) -> None:
    connector = target.scim(target.make_login(old), **PUT)
    connector.change(new, current=old, admin=target.admin)
    line, _, body = service.requests[-1]
    assert line.startswith("PUT /scim/v2/Users/")
    document = json.loads(body)
    assert document.pop("password") == new.reveal()
    assert document == {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": connector.username.encode().hex(),
        "userName": connector.username, "emails": [{"value": f"{len(connector.username)}@acme.example"}],
    }  # fmt: skip
    assert connector.verify(new)


def test_put_does_not_write_over_what_somebody_else_wrote(
    target: Target, service: Service, old: Secret, new: Secret
) -> None:
    connector = target.scim(target.make_login(old), **PUT)
    user = {"id": "7", "userName": connector.username}
    service.canned += [
        Canned(404), Canned(200, json.dumps({"Resources": [user]}).encode()),
        Canned(200, json.dumps(user).encode(), {"ETag": 'W/"3"'}), Canned(412),
    ]  # fmt: skip
    with pytest.raises(TargetError, match="edited meanwhile") as failure:
        connector.change(new, current=old, admin=target.admin)
    assert failure.value.kind is FailureKind.UNREACHABLE
    assert service.requests[-1][1]["if-match"] == 'W/"3"'


def test_a_name_is_asked_for_as_a_value(target: Target, service: Service, old: Secret, new: Secret) -> None:
    service.people[name := 'o"r userName pr & \\ü'] = old.reveal()
    connector = target.scim(name)
    connector.change(new, current=None, admin=target.admin)
    assert service.people[name] == new.reveal()


@pytest.mark.parametrize(
    ("users", "words"),
    [
        ([], "no user"), ([{"id": "1", "userName": "somebody else"}], "no user"),
        ([{"id": "1", "userName": "app"}, {"id": "2", "userName": "APP"}], "more than one"),
        ([{"userName": "app"}], "no id"), ([{"id": 7, "userName": "app"}], "no id"), (["app"], "no user"),
    ],
)  # fmt: skip
def test_only_the_one_user_of_that_name_is_changed(
    target: Target, service: Service, new: Secret, users: list[Any], words: str
) -> None:
    service.canned += [Canned(404), Canned(200, json.dumps({"Resources": users}).encode())]
    with pytest.raises(TargetError, match=words) as failure:
        target.scim("app").change(new, current=None, admin=target.admin)
    assert failure.value.kind is FailureKind.PERMISSION
    assert len(service.requests) == 2


def test_a_server_that_ignores_the_filter_is_seen_through(target: Target, service: Service, new: Secret) -> None:
    service.people["app"] = "old-password"
    users = [{"id": "x", "userName": "other"}, {"id": b"app".hex(), "userName": "App"}, {"id": "y"}]
    service.canned += [Canned(404), Canned(200, json.dumps({"Resources": users}).encode())]
    target.scim("app").change(new, current=None, admin=target.admin)
    assert service.people["app"] == new.reveal()


@pytest.mark.parametrize(
    ("configuration", "refused"),
    [
        (b'{"changePassword": {"supported": false}}', True), (b'{"changePassword": {"supported": true}}', False),
        (b"{}", False), (b"[]", False), (b"not json", False), (b'{"changePassword": null}', False),
    ],
)  # fmt: skip
def test_a_server_that_says_it_changes_no_passwords_is_not_asked_to(
    target: Target, service: Service, old: Secret, new: Secret, configuration: bytes, refused: bool
) -> None:
    connector = target.scim(target.make_login(old))
    service.canned.append(Canned(200, configuration))
    if refused:
        with pytest.raises(TargetError, match="changes no passwords") as failure:
            connector.change(new, current=old, admin=target.admin)
        assert failure.value.kind is FailureKind.PERMISSION
        assert len(service.requests) == 1
    else:
        connector.change(new, current=old, admin=target.admin)
        assert connector.verify(new)


@pytest.mark.parametrize("method", ["patch", "put"])
def test_a_password_that_the_policy_refuses_is_its_refusal(target: Target, old: Secret, method: str) -> None:
    connector = target.scim(target.make_login(old), method=method)
    with pytest.raises(TargetError, match=r"the password \*\*\* is too short") as failure:
        connector.change(Secret("secret7"), current=old, admin=target.admin)
    assert failure.value.kind is FailureKind.POLICY
    assert connector.verify(old)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"scimType": "noTarget"}', FailureKind.PERMISSION), (403, b"", FailureKind.PERMISSION),
        (404, b"", FailureKind.PERMISSION), (429, b"", FailureKind.UNREACHABLE), (500, b"", FailureKind.UNREACHABLE),
        (501, b'{"detail": "no PATCH here"}', FailureKind.PERMISSION), (401, b"", FailureKind.AUTHENTICATION),
        (302, b"", FailureKind.PERMISSION),
    ],
)  # fmt: skip
def test_each_answer_to_a_change_is_handled_by_its_meaning(
    target: Target, service: Service, old: Secret, new: Secret, status: int, body: bytes, kind: FailureKind
) -> None:
    connector = target.scim(target.make_login(old))
    found = json.dumps({"Resources": [{"id": "7", "userName": connector.username}]}).encode()
    service.canned += [Canned(404), Canned(200, found), Canned(status, body, {"Retry-After": "9"})]
    with pytest.raises(TargetError, match=str(status)) as failure:
        connector.change(new, current=old, admin=target.admin)
    assert (failure.value.kind, failure.value.retry_after) == (kind, 9)


def test_without_a_login_call_it_cannot_verify_and_says_so(target: Target, old: Secret, new: Secret) -> None:
    connector = target.scim(target.make_login(old), login_url="")
    assert connector.capabilities == Capabilities(admin_reset=True)
    connector.change(new, current=None, admin=target.admin)
    with pytest.raises(TargetError, match="nothing can be tried from here") as failure:
        connector.verify(new)
    assert failure.value.kind is FailureKind.HUMAN


def test_sessions_live_on_and_are_named(target: Target, old: Secret) -> None:
    connector = target.scim(target.make_login(old))
    closed = connector.close_sessions(new=old, admin=target.admin)
    assert closed.sessions == 0
    assert [connector.username in line and "live on" in line for line in closed.follow_ups] == [True]


def test_a_user_without_a_token_is_told_whose_it_is(target: Target, old: Secret, new: Secret) -> None:
    with pytest.raises(TargetError, match="token") as failure:
        target.scim(target.make_login(old)).change(new, current=old, admin=None)
    assert failure.value.kind is FailureKind.PERMISSION


def test_an_answer_that_is_no_scim_is_unreachable(target: Target, service: Service, new: Secret) -> None:
    service.canned += [Canned(404), Canned(200, b"<html>")]
    with pytest.raises(TargetError, match="not JSON") as failure:
        target.scim("app").change(new, current=None, admin=target.admin)
    assert failure.value.kind is FailureKind.UNREACHABLE


@pytest.mark.parametrize("url", ["https://x.example/{username}", "ftp://x", "https://u@x.example/scim", ""])
def test_a_base_that_cannot_be_one_is_named(target: Target, url: str) -> None:
    with pytest.raises(Invalid, match="url"):
        target.scim("app", url=url)


def test_every_host_that_is_spoken_to_is_said() -> None:
    settings = {"url": "https://SCIM.example/v2/", "login_url": "https://login.example:8443/"}
    connector = ScimTarget(validated(ScimTarget, settings), "app", timeout=1)
    assert connector.hosts == ("scim.example", "login.example")
    assert ScimTarget.address_of(settings) == "scim.example:443"


def test_tls_is_for_the_name_and_verified(
    target: Target, old: Secret, new: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = self_signed(tmp_path, "localhost")
    with TlsFront((target.host, target.port), pem) as front:
        base = f"https://localhost:{front.port}"
        connector = target.scim(target.make_login(old), url=f"{base}/scim/v2", login_url=f"{base}/v1/whoami")
        with pytest.raises(TargetError, match="certificate verify failed"):
            connector.change(new, current=None, admin=target.admin)
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        connector.change(new, current=None, admin=target.admin)
        assert connector.verify(new)
        assert set(front.names) == {"localhost"}


def test_a_wrong_token_changes_nothing(target: Target, old: Secret, new: Secret) -> None:
    connector = target.scim(target.make_login(old))
    with pytest.raises(TargetError, match="the token is not valid") as failure:
        connector.change(new, current=None, admin=Login("", random_password()))
    assert failure.value.kind is FailureKind.AUTHENTICATION
    assert connector.verify(old)
