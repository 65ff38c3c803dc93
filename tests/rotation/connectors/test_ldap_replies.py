"""How a directory's answers are read, for what slapd here cannot be made to say, Active Directory's above all.

The texts beside the codes are those that Active Directory sends ([MS-ADTS], [MS-ERREF]).
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyasn1.codec.ber import decoder, encoder
from pyasn1.error import PyAsn1Error
from pyasn1_modules import rfc2251

from rotation.connectors import ldap_messages
from rotation.connectors.base import FailureKind, Login, TargetError, validated
from rotation.connectors.ldap import Ldap
from tests.rotation.connectors.listener import Listener
from tests.rotation.connectors.tls import TlsFront, self_signed
from tests.waiting import PATIENCE
from workspace.crypto import Secret
from workspace.errors import Invalid

OLD, NEW = Secret("the-old-Password1"), Secret("the-new-Password1")
ADMIN = Login("CN=cerby,CN=Users,DC=corp,DC=example", Secret("the-admins-Password1"))
DN = "CN=Ana Ops,CN=Users,DC=corp,DC=example"

Answer = Callable[[int], bytes]


def result(kind: str, code: int, text: str = "", *, name: str = "", policy_error: int | None = None) -> Answer:
    """One message with a result, to whatever request it answers."""

    def answer(number: int) -> bytes:
        message = rfc2251.LDAPMessage()
        message["messageID"] = number
        body = message["protocolOp"][kind]
        body["resultCode"], body["matchedDN"], body["errorMessage"] = code, b"", text.encode()
        if name:
            body["responseName"] = name.encode()
        if policy_error is not None:
            control = rfc2251.Control()
            control["controlType"] = ldap_messages.PASSWORD_POLICY.encode()
            control["controlValue"] = bytes([0x30, 3, 0x81, 1, policy_error])
            message["controls"].append(control)
        encoded: bytes = encoder.encode(message)
        return encoded

    return answer


def entry(name: str, **attributes: str) -> Answer:
    def answer(number: int) -> bytes:
        message = rfc2251.LDAPMessage()
        message["messageID"] = number
        body = message["protocolOp"]["searchResEntry"]
        body["objectName"] = name.encode()
        for position, (key, value) in enumerate(attributes.items()):
            body["attributes"][position]["type"] = key.encode()
            body["attributes"][position]["vals"].extend([value.encode()])
        encoded: bytes = encoder.encode(message)
        return encoded

    return answer


BOUND = result("bindResponse", 0)
DONE = result("searchResDone", 0)


class Directory(Listener):
    """Answers each request of each connection in turn. `requests` is what was asked, the binds' passwords included."""

    def __init__(self, *answers: tuple[Answer, ...] | bytes) -> None:
        super().__init__()
        self._answers = answers
        self.requests: list[Any] = []

    def converse(self, client: socket.socket) -> None:
        for answer in self._answers:
            request = _request(client)
            self.requests.append(request)
            number = int(request["messageID"])
            client.sendall(answer if isinstance(answer, bytes) else b"".join(each(number) for each in answer))
        client.recv(65536)


def _request(client: socket.socket) -> Any:
    data = b""
    while (length := ldap_messages.length(data)) is None or len(data) < length:
        part = client.recv(65536)
        if not part:
            raise EOFError
        data += part
    try:
        return decoder.decode(data, asn1Spec=rfc2251.LDAPMessage())[0]
    except PyAsn1Error:  # pyasn1 reads no farewell
        raise EOFError from None


@contextmanager
def openldap(
    *answers: tuple[Answer, ...] | bytes, timeout: float = PATIENCE, **settings: Any
) -> Iterator[tuple[Ldap, Directory]]:
    with Directory(*answers) as directory:
        target = {"host": "127.0.0.1", "port": directory.port, "tls": "none", **settings}
        yield Ldap(validated(Ldap, target), "cn=app,dc=example,dc=org", timeout=timeout), directory


@pytest.fixture
def domain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A domain controller behind ldaps that follows a script; a connector to it, for the login `username`."""
    pem = self_signed(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))

    @contextmanager
    def controller(*answers: tuple[Answer, ...], username: str = DN, **settings: Any) -> Iterator[Any]:
        with Directory(*answers) as directory, TlsFront(("127.0.0.1", directory.port), pem) as front:
            target = {"directory": "active_directory", "host": "localhost", "port": front.port, **settings}
            yield Ldap(validated(Ldap, target), username, timeout=PATIENCE), directory

    return controller


def refused_bind(data: str) -> tuple[Answer]:
    text = f"80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {data}, v1db1\0"
    return (result("bindResponse", 49, text),)


# Active Directory: logins


@pytest.mark.parametrize("data", ["52e", "525"])
def test_a_wrong_password_is_told_by_its_number(domain: Any, data: str) -> None:
    with domain(refused_bind(data)) as (connector, _):
        assert connector.verify(OLD) is False


@pytest.mark.parametrize("data", ["530", "531", "532", "533", "701", "773"])
def test_a_right_password_that_lets_nobody_in_is_still_right(domain: Any, data: str) -> None:
    """At this hour, from here, expired, disabled, the account's end, must be changed."""
    with domain(refused_bind(data)) as (connector, _):
        assert connector.verify(OLD) is True
        _refused(lambda: connector.change(NEW, current=OLD, admin=None), "is right")


def test_a_locked_login_judges_no_password(domain: Any) -> None:
    with domain(refused_bind("775")) as (connector, _):
        with pytest.raises(TargetError, match="locked") as failure:
            connector.verify(OLD)
        assert failure.value.kind is FailureKind.LOCKED
        with pytest.raises(TargetError, match="locked") as failure:
            connector.change(NEW, current=OLD, admin=None)
        assert failure.value.kind is FailureKind.LOCKED


def test_the_numbers_of_active_directory_mean_nothing_elsewhere() -> None:
    with openldap(refused_bind("532")) as (connector, _):
        assert connector.verify(OLD) is False


# Active Directory: changes


def quoted(password: Secret) -> bytes:
    return f'"{password.reveal()}"'.encode("utf-16-le")


def changes_of(directory: Directory) -> list[tuple[str, str, list[bytes]]]:
    request = directory.requests[-1]["protocolOp"]["modifyRequest"]
    found = []
    for each in request["modification"]:
        change = each["modification"]
        found.append(
            (str(each["operation"]), bytes(change["type"]).decode(), [bytes(value) for value in change["vals"]])
        )
    return found


def test_an_admin_replaces_the_quoted_password(domain: Any) -> None:
    with domain((BOUND,), (result("modifyResponse", 0),)) as (connector, directory):
        connector.change(NEW, current=OLD, admin=ADMIN)
    assert bytes(directory.requests[0]["protocolOp"]["bindRequest"]["name"]).decode() == ADMIN.username
    assert bytes(directory.requests[-1]["protocolOp"]["modifyRequest"]["object"]).decode() == DN
    assert changes_of(directory) == [("replace", "unicodePwd", [quoted(NEW)])]


def test_a_login_deletes_its_old_password_and_adds_the_new_one_in_one_request(domain: Any) -> None:
    with domain((BOUND,), (result("modifyResponse", 0),)) as (connector, directory):
        connector.change(NEW, current=OLD, admin=None)
    assert changes_of(directory) == [("delete", "unicodePwd", [quoted(OLD)]), ("add", "unicodePwd", [quoted(NEW)])]


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (53, "0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n", FailureKind.POLICY),
        (19, "0000052D: AtrErr: DSID-03190F80, #1:\n\t0: 0000052D: DSID-03190F80, problem 1005", FailureKind.POLICY),
        (19, "00000056: AtrErr: DSID-03190F80, #1:\n\t0: 00000056: DSID-03190F80", FailureKind.AUTHENTICATION),
        (53, "0000001F: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n", FailureKind.PERMISSION),
        (50, "00000005: SecErr: DSID-031A11F0, problem 4003 (INSUFF_ACCESS_RIGHTS)", FailureKind.PERMISSION),
        (32, "0000208D: NameErr: DSID-0310028D, problem 2001 (NO_OBJECT)", FailureKind.PERMISSION),
        (51, "000020D9: SvcErr: DSID-0C1103BC, problem 5001 (BUSY)", FailureKind.UNREACHABLE),
        (10, "0000202B: RefErr: DSID-0310084A, data 0, 1 access points", FailureKind.PERMISSION),
    ],
)
def test_each_refusal_is_handled_by_its_number(domain: Any, code: int, text: str, kind: FailureKind) -> None:
    answer = result("modifyResponse", code, text)
    with domain((BOUND,), (answer,)) as (connector, _), pytest.raises(TargetError) as failure:
        connector.change(NEW, current=OLD, admin=ADMIN)
    assert failure.value.kind is kind


def test_a_password_that_a_domain_controller_repeats_is_not_handed_on(domain: Any) -> None:
    answer = result("modifyResponse", 19, f"0000052D: value {NEW.reveal()} of {OLD.reveal()}")
    with domain((BOUND,), (answer,)) as (connector, _), pytest.raises(TargetError) as failure:
        connector.change(NEW, current=OLD, admin=None)
    assert "***" in failure.value.detail
    assert NEW.reveal() not in repr(vars(failure.value)) and OLD.reveal() not in repr(vars(failure.value))  # noqa: PT018


ROOT = (entry("", defaultNamingContext="DC=corp,DC=example"), DONE)


@pytest.mark.parametrize(
    ("username", "template", "bound_as", "plain"),
    [
        ("ana@corp.example", "", "ana@corp.example", "ana"),
        ("CORP\\ana", "", "CORP\\ana", "ana"),
        ("ana", "{username}@corp.example", "ana@corp.example", "ana"),
        ("ana@other.example", "{username}@corp.example", "ana@other.example", "ana"),
    ],
)
def test_a_login_that_is_no_dn_is_looked_up(
    domain: Any, username: str, template: str, bound_as: str, plain: str
) -> None:
    found, answers = (entry(DN, distinguishedName=DN), DONE), (result("modifyResponse", 0),)
    with domain((BOUND,), ROOT, found, answers, username=username, bind_as=template) as (connector, directory):
        connector.change(NEW, current=OLD, admin=None)
    bind, _, search, modify = (request["protocolOp"].getComponent() for request in directory.requests)
    assert bytes(bind["name"]).decode() == bound_as
    assert bytes(search["baseObject"]).decode() == "DC=corp,DC=example"
    asked = [bytes(each["equalityMatch"]["assertionValue"]).decode() for each in search["filter"]["or"]]
    assert asked == [bound_as, plain]
    assert bytes(modify["object"]).decode() == DN


@pytest.mark.parametrize(
    "answers",
    [
        ((DONE,),),
        (ROOT, (DONE,)),
        (ROOT, (entry(DN), entry("CN=Other,DC=corp,DC=example"), DONE)),
        (ROOT, (entry(DN), entry("CN=Other,DC=corp,DC=example"), result("searchResDone", 4))),
    ],
)
def test_a_login_that_is_not_found_once_is_left_alone(domain: Any, answers: Any) -> None:
    with domain((BOUND,), *answers, username="ana@corp.example") as (connector, directory):
        _refused(lambda: connector.change(NEW, current=OLD, admin=ADMIN), "DN")
    assert not any(request["protocolOp"].getName() == "modifyRequest" for request in directory.requests)


def test_what_outlives_a_change_in_a_domain_is_named(domain: Any) -> None:
    with domain() as (connector, _):
        follow_ups = connector.close_sessions(new=NEW, admin=ADMIN).follow_ups
    assert "Kerberos" in " ".join(follow_ups)


# Any directory


@pytest.mark.parametrize(("code", "error", "kind"), [
    (19, None, FailureKind.POLICY), (19, 5, FailureKind.POLICY), (19, 6, FailureKind.POLICY),
    (19, 7, FailureKind.PERMISSION), (50, 3, FailureKind.PERMISSION),
    (53, None, FailureKind.PERMISSION), (52, None, FailureKind.UNREACHABLE), (80, None, FailureKind.UNREACHABLE),
    (4711, None, FailureKind.PERMISSION),
])  # fmt: skip
def test_each_answer_to_a_change_is_handled_by_its_code(code: int, error: int | None, kind: FailureKind) -> None:
    answer = result("extendedResp", code, "no", policy_error=error)
    with openldap((BOUND,), (DONE,), (answer,)) as (connector, _), pytest.raises(TargetError) as failure:
        connector.change(NEW, current=OLD, admin=ADMIN)
    assert failure.value.kind is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [(51, FailureKind.UNREACHABLE), (52, FailureKind.UNREACHABLE), (53, FailureKind.PERMISSION),
     (34, FailureKind.PERMISSION), (48, FailureKind.PERMISSION), (13, FailureKind.PERMISSION),
     (8, FailureKind.PERMISSION), (10, FailureKind.PERMISSION), (14, FailureKind.PERMISSION)],
)  # fmt: skip
def test_an_answer_to_a_login_that_is_no_verdict_is_none(code: int, kind: FailureKind) -> None:
    with openldap((result("bindResponse", code),)) as (connector, _), pytest.raises(TargetError) as failure:
        connector.verify(OLD)
    assert failure.value.kind is kind


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"0\x84\x7f\xff\xff\xff",
        b"0\x80\x02\x01\x01",
        b"0\x0c\x02\x01\x01a\x07\x0a\x01\x00",
        b"0\x03\x02\x01\x01",
        (lambda number: result("bindResponse", 0)(number + 1),),
        (result("searchResDone", 0),),
        (lambda _: result("extendedResp", 52, name=ldap_messages.DISCONNECTION)(0),),
        b"0\x82\x40\x00" + b"0\x80" * 8192,
    ],
)
def test_an_answer_that_means_nothing_is_none(answer: Any) -> None:
    with openldap(answer, timeout=1) as (connector, _), pytest.raises(TargetError) as failure:
        connector.verify(OLD)
    assert failure.value.kind is FailureKind.UNREACHABLE


def test_a_server_without_starttls_gets_no_password() -> None:
    with openldap((result("extendedResp", 2, "unsupported"),), tls="starttls") as (connector, directory):
        _refused(lambda: connector.verify(OLD), "does not go over to TLS")
    assert [request["protocolOp"].getName() for request in directory.requests] == ["extendedReq"]


def test_what_is_slipped_in_before_tls_begins_is_not_taken_for_the_servers() -> None:
    """Somebody on the wire answers the bind that has not been sent yet."""
    slipped = (result("extendedResp", 0), lambda number: result("bindResponse", 0)(number + 1))
    with openldap(slipped, tls="starttls") as (connector, _), pytest.raises(TargetError, match="more than its word"):
        connector.verify(OLD)



def test_an_empty_password_is_never_sent() -> None:
    with openldap((BOUND,)) as (connector, directory):
        with pytest.raises(Invalid):
            connector.verify(Secret(""))
        with pytest.raises(Invalid):
            connector.change(NEW, current=Secret(""), admin=None)
    assert directory.requests == []


def _refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(TargetError, match=words) as failure:
        call()
    assert failure.value.kind is FailureKind.PERMISSION
