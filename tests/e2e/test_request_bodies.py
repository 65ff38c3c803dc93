"""Bodies as they come over a socket, to the product as gunicorn serves it: streamed ones are read as any other, and
what is too large is refused at once, in the words of each entrance, without a file or the memory for it."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from django.db import connection

from tests.companies import PASSWORD, Company
from tests.e2e.processes import running
from tests.scim.test_users import OKTA_OFF, create_body
from tests.waiting import eventually
from workspace.models import ApiKey, Session, Team, User

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT: Final = 1024 * 1024
HUGE: Final = 250 * 1024 * 1024
FORM: Final = "application/x-www-form-urlencoded"
SCIM: Final = "application/scim+json"


@dataclass(frozen=True)
class Server:
    """One gunicorn worker with the product's configuration; `spool` is its folder for temporary files."""

    port: int
    pid: int
    spool: Path
    log: Path

    def browser(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)

    def okta(self, company: Company) -> httpx.Client:
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/scim/v2", timeout=60,
            headers={"Authorization": f"Bearer {company.scim_token}", "Content-Type": SCIM},
        )  # fmt: skip

    def peak(self) -> int:
        """The most memory that the worker ever had, in bytes (VmHWM of proc(5))."""
        worker = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()[0]
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024


@pytest.fixture(scope="module")
def server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log, spool = tmp_path_factory.mktemp("log") / "web.log", tmp_path_factory.mktemp("spool")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    more = {
        "CERBY_PORT": str(port), "CERBY_WEB_WORKERS": "1", "CERBY_SCIM_PAYLOAD_BYTES": str(LIMIT), "TMPDIR": str(spool),
    }  # fmt: skip
    command = ["-m", "gunicorn", "--config", "python:cerby.web", "--worker-tmp-dir", "/dev/shm", "cerby.wsgi"]  # noqa: S108
    with running(command, log, **more) as process:
        eventually(lambda: _answers(port), "gunicorn answers", log=log)
        yield Server(port, process.popen.pid, spool, log)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/live").status_code == 200
    except httpx.TransportError:
        return False


def streamed(body: bytes, piece: int = 7) -> Iterator[bytes]:
    """httpx sends what comes piece by piece in chunks, without a Content-Length."""
    for begin in range(0, len(body), piece):
        yield body[begin : begin + piece]


# Read as any other


def test_scim_reads_a_streamed_body(server: Server, acme: Company) -> None:
    okta = server.okta(acme)
    made = okta.post("/Users", content=streamed(json.dumps(create_body()).encode()))
    assert (made.status_code, made.json()["userName"]) == (201, create_body()["userName"])
    off = okta.patch(f"/Users/{acme.member.pk}", content=streamed(json.dumps(OKTA_OFF).encode()))
    assert (off.status_code, off.json()["active"]) == (200, False)
    assert not User.objects.get(pk=acme.member.pk).is_active


def test_the_web_app_the_api_and_the_console_read_a_streamed_body(server: Server, acme: Company) -> None:
    with server.browser() as browser:
        sign_in(server, browser)
        assert Session.objects.filter(user=acme.owner).exists()
        added = post(browser, "/admin/workspace/team/add/", {"display_name": "Streamed"})
        assert (added.status_code, Team.objects.filter(display_name="Streamed").exists()) == (302, True), added.text
        token = {"X-CSRFToken": cookie(browser, "csrf"), "Content-Type": "application/json"}
        issued = browser.post("/api/v1/keys", content=streamed(b'{"label": "streamed"}'), headers=token)
        assert (issued.status_code, issued.json()["label"]) == (201, "streamed")
        assert ApiKey.objects.filter(user=acme.owner, label="streamed").exists()


def sign_in(server: Server, browser: httpx.Client) -> None:
    browser.get("/login/")
    answer = post(browser, "/login/", {"username": "owner@acme.example", "password": PASSWORD})
    assert (answer.status_code, answer.headers.get("Location")) == (302, "/"), answer.text


def post(browser: httpx.Client, path: str, fields: dict[str, str]) -> httpx.Response:
    browser.get(path)
    body = str(httpx.QueryParams({**fields, "csrfmiddlewaretoken": cookie(browser, "csrf")})).encode()
    return browser.post(path, content=streamed(body), headers={"Content-Type": FORM})


def cookie(browser: httpx.Client, name: str) -> str:
    return next(each.value or "" for each in browser.cookies.jar if f"cerby_{name}" in each.name)


def test_an_empty_streamed_body_is_none(server: Server, acme: Company) -> None:
    program = {"Authorization": f"Bearer {acme.api_key}", "Content-Type": "application/json"}
    with server.browser() as client:
        path = f"/api/v1/accounts/{acme.account.pk}/reveal"
        assert client.post(path, content=streamed(b""), headers=program).status_code == 200
        assert server.okta(acme).post("/Users", content=streamed(b"")).status_code == 400
        assert client.request("GET", "/api/v1/me", content=streamed(b"ignored"), headers=program).status_code == 200


# On the wire


def talk(server: Server, *parts: bytes) -> list[tuple[int, bytes]]:
    """Send bytes on one connection and read until the server closes it: each answer's status and body."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=60)) as wire:
        for part in parts:
            wire.sendall(part)
        wire.shutdown(socket.SHUT_WR)
        said = b""
        while piece := wire.recv(65536):
            said += piece
    found = re.split(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n", said)[1:]
    return [(int(status), rest.partition(b"\r\n\r\n")[2]) for status, rest in zip(*[iter(found)] * 2, strict=True)]


def head(company: Company, *lines: str, method: str = "POST", path: str = "/scim/v2/Users") -> bytes:
    sent = (
        f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {company.scim_token}",
        f"Content-Type: {SCIM}", *lines,
    )  # fmt: skip
    return "\r\n".join((*sent, "", "")).encode()


CHUNKED: Final = "Transfer-Encoding: chunked"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def test_trailers_are_read_and_become_no_part_of_the_next_request(server: Server, acme: Company) -> None:
    body = chunk(json.dumps(create_body()).encode()) + b"0\r\nX-Checksum: 1\r\n\r\n"
    after = head(acme, "Connection: close", method="GET", path="/scim/v2/Users?count=0")
    (made, _), (listed, _) = talk(server, head(acme, CHUNKED) + body + after)
    assert (made, listed) == (201, 200)
    assert User.objects.filter(workspace=acme.workspace, user_name=create_body()["userName"]).exists()


@pytest.mark.parametrize(
    "body",
    [b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n{}\r\n0\r\n\r\n", b"2\r\n{}0\r\n\r\n", b"\r\n\r\n",
     b"5;a=\x00\r\n{}\r\n0\r\n\r\n", b"1" * 20_000, b"2\r\n{}\r\n0\r\nBad Trailer\r\n\r\n",
     b"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n"],
)  # fmt: skip
def test_a_malformed_chunk_is_400_and_ends_the_connection(server: Server, acme: Company, body: bytes) -> None:
    smuggled = head(acme, method="DELETE", path=f"/scim/v2/Users/{acme.member.pk}")
    assert [status for status, _ in talk(server, head(acme, CHUNKED) + body + smuggled)] == [400]
    assert User.objects.get(pk=acme.member.pk).is_active


@pytest.mark.parametrize(
    "lines",
    [(CHUNKED, "Content-Length: 5"), ("Content-Length: 5", CHUNKED), (CHUNKED, CHUNKED), ("Content-Length: 0", CHUNKED),
     ("Transfer-Encoding: chunked, identity",), ("Transfer-Encoding: identity",), ("Transfer-Encoding: xchunked",),
     ("Content-Length: 5", "Content-Length: 6"), ("Content-Length: +5",), ("Content-Length: 5, 5",)],
)  # fmt: skip
def test_two_ways_to_read_one_request_are_refused(server: Server, acme: Company, lines: tuple[str, ...]) -> None:
    """A proxy in front may have read it in the other one (RFC 9112 section 11.2)."""
    smuggled = b"0\r\n\r\n" + head(acme, method="DELETE", path=f"/scim/v2/Users/{acme.member.pk}")
    statuses = [status for status, _ in talk(server, head(acme, *lines) + smuggled)]
    assert len(statuses) == 1
    assert statuses[0] in {400, 501}
    assert User.objects.get(pk=acme.member.pk).is_active


def test_a_body_that_is_cut_off_changes_nothing(server: Server, acme: Company) -> None:
    off = json.dumps(OKTA_OFF).encode()
    sent = {"method": "PATCH", "path": f"/scim/v2/Users/{acme.member.pk}"}
    assert talk(server, head(acme, CHUNKED, **sent) + chunk(off)) == []
    assert [status for status, _ in talk(server, head(acme, f"Content-Length: {len(off) + 1}", **sent) + off)] == [400]
    assert User.objects.get(pk=acme.member.pk).is_active


# Too large

ENTRANCES: Final = {
    "/scim/v2/Users": (413, SCIM), "/scim/v2/Bulk": (413, SCIM), "/api/v1/keys": (413, "application/problem+json"),
    "/login/": (413, "text/html; charset=utf-8"), "/admin/workspace/team/add/": (413, "text/html; charset=utf-8"),
    "/nothing/": (413, "text/html; charset=utf-8"),
}  # fmt: skip
MULTIPART: Final = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'


@pytest.mark.parametrize("path", ENTRANCES)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize("streams", [True, False])
def test_a_huge_body_is_refused_in_the_words_of_each_entrance(
    server: Server, acme: Company, path: str, method: str, streams: bool
) -> None:
    kind = SCIM if "scim" in path else "multipart/form-data; boundary=x"
    framing = CHUNKED if streams else f"Content-Length: {HUGE}"
    sent = head(acme, framing, method=method, path=path).replace(SCIM.encode(), kind.encode())
    before = server.peak()
    taken, status, answer = flood(server, sent, streams=streams)
    assert (status, answer["content-type"]) == ENTRANCES[path]
    assert taken < HUGE / 4
    assert server.peak() - before < 32 * LIMIT
    assert list(server.spool.iterdir()) == []


def flood(server: Server, sent: bytes, *, streams: bool) -> tuple[int, int, dict[str, str]]:
    """Send a body until the server has answered: how much it took, its status and headers."""
    piece = b"x" * 65536
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=60)) as wire:
        wire.sendall(sent)
        taken, said = 0, b""
        if streams:
            taken += _pour(wire, chunk(MULTIPART) + chunk(piece) * (LIMIT // len(piece) + 1))
        while b"\r\n\r\n" not in said:
            more = wire.recv(65536)
            assert more, said
            said += more
        try:
            for _ in range(HUGE // len(piece)):
                taken += _pour(wire, chunk(piece) if streams else piece)
        except OSError:  # the server closed the connection, as it should
            pass
    top, *lines = said.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return taken, int(top.split()[1]), headers


def _pour(wire: socket.socket, data: bytes) -> int:
    wire.sendall(data)
    return len(data)


def test_a_refusal_for_length_stands_in_the_provisioning_log(server: Server, acme: Company) -> None:
    from scim.models import ProvisioningEvent

    answer = server.okta(acme).post("/Users", content=b"x" * (LIMIT + 1))
    assert (answer.status_code, answer.json()["scimType"], answer.json()["status"]) == (413, "tooMany", "413")
    assert str(LIMIT) in answer.json()["detail"]
    assert ProvisioningEvent.objects.get(workspace=acme.workspace, status=413)
    stranger = httpx.post(f"http://127.0.0.1:{server.port}/scim/v2/Users", content=b"x" * (LIMIT + 1))
    assert stranger.status_code == 401


@pytest.mark.parametrize("streams", [True, False])
def test_a_body_of_exactly_the_limit_is_read(server: Server, acme: Company, streams: bool) -> None:
    body = json.dumps(create_body()).encode()
    body += b" " * (LIMIT - len(body))
    content: Any = streamed(body, 60_000) if streams else body
    assert server.okta(acme).post("/Users", content=content).status_code == 201


# Files, which no address takes


def test_a_file_is_refused_and_written_nowhere(server: Server) -> None:
    with server.browser() as browser:
        browser.get("/login/")
        fields = {"username": "owner@acme.example", "csrfmiddlewaretoken": cookie(browser, "csrf")}
        for _ in range(2):  # on one connection
            answer = browser.post("/login/", data=fields, files={"f": ("f.bin", b"x" * (LIMIT - 10_000))})
            assert (answer.status_code, list(server.spool.iterdir())) == (400, [])
        assert browser.post("/login/", data={**fields, "password": "x"}).status_code == 200


def test_too_many_fields_are_400(server: Server, acme: Company) -> None:
    with server.browser() as browser:
        sign_in(server, browser)
        for path, kind in (("/keys/", "text/html; charset=utf-8"), ("/api/v1/keys", "application/problem+json")):
            answer = browser.post(path, content=b"a&" * 200_000, headers={"Content-Type": FORM})
            assert (answer.status_code, answer.headers["Content-Type"]) == (400, kind)


def test_what_was_not_read_is_in_nobodys_way(server: Server, acme: Company) -> None:
    """A body that was refused for another reason, and the next request on the same connection."""
    with server.browser() as client:
        for _ in range(3):
            answer = client.post("/scim/v2/Users", content=b"x" * (LIMIT // 2), headers={"Authorization": "Bearer x"})
            assert answer.status_code == 401


# Character sets


@pytest.mark.parametrize("charset", ["hex", "rot13", "undefined", "utf-7", "utf-16", "latin-1", "idna", "mbcs",
                                     "x; y*=undefined''%41", "x; y*=nothing''%41"])  # fmt: skip
def test_text_in_another_character_set_is_refused(server: Server, acme: Company, charset: str) -> None:
    """Python has codecs that decode no text, and some in which U+0000 hides from whoever looks at the bytes."""
    kind = {"Content-Type": f"text/plain; charset={charset}"}
    with server.browser() as client:
        for path, shown in (("/login/", "text/html; charset=utf-8"), ("/api/v1/me", "application/problem+json")):
            answer = client.get(f"{path}?next=%41+AAA-", headers=kind)
            if charset != "mbcs":  # which Python has on Windows only
                assert (answer.status_code, answer.headers["Content-Type"]) == (415, shown)
            assert answer.status_code < 500
        listed = server.okta(acme).get("/Users?filter=userName%20pr", headers=kind)
        assert (listed.status_code, listed.json()["totalResults"]) == (200, 2)


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", '"utf-8"', "us-ascii", "nothing-known", "\xff", ""])
def test_utf_8_by_its_names_is_read(server: Server, charset: str) -> None:
    with server.browser() as client:
        kind = f"text/plain; charset={charset}".encode("latin-1")
        assert client.get("/login/?next=%41", headers={b"Content-Type": kind}).status_code == 200


@pytest.mark.parametrize("charset", ["utf8", "UTF-8", "us-ascii"])
def test_a_form_in_utf_8_is_read_by_whatever_name(server: Server, acme: Company, charset: str) -> None:
    with server.browser() as client:
        token = client.get("/login/").cookies[next(name for name in client.cookies if name.startswith("cerby_csrf"))]
        kind = {"Content-Type": f"application/x-www-form-urlencoded; charset={charset}"}
        fields = f"csrfmiddlewaretoken={token}&username={acme.member.email}&password={PASSWORD}"
        assert client.post("/login/", content=fields, headers=kind).status_code == 302


def test_nobody_sets_the_path_by_a_header(server: Server, acme: Company) -> None:
    for name in ("SCRIPT_NAME", "PATH_INFO"):
        sent = head(acme, f"{name}: /x", "Connection: close", method="GET", path="/scim/v2/Users?count=0")
        assert [status for status, _ in talk(server, sent)] == [200]


def test_nothing_was_a_failure_of_ours(server: Server) -> None:
    """The last one: what gunicorn and the product wrote down meanwhile."""
    connection.close()
    assert "Traceback" not in server.log.read_text()
