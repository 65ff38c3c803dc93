"""A small service with users, sessions and a password policy, speaking HTTP and SCIM over a socket."""

import base64
import json
import secrets
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from rotation.connectors.base import Login, validated
from rotation.connectors.http_api import HttpApi
from tests.waiting import PATIENCE
from workspace.crypto import Secret

TIMEOUT = PATIENCE
LEAST_LENGTH = 8


@dataclass
class Canned:
    """An answer that the service gives in the place of its own, to the next request."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    done: bool = False
    """Whether the request takes effect all the same."""


@dataclass
class Service:
    """The service's own state. `people` are passwords by name, `sessions` names by token."""

    people: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    operator: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    canned: deque[Canned] = field(default_factory=deque)
    access_log: list[str] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """(request line, headers by their lower-case names, body)."""
    lies: bool = False
    """It says that it changed a password, and does not."""

    def may(self, name: str, password: str) -> bool:
        return password == (self.operator if name == "operator" else self.people.get(name))


class Handler(BaseHTTPRequestHandler):
    """One request. Paths: /v1/… for the API, /scim/v2/… for SCIM with the operator's password as bearer token."""

    protocol_version = "HTTP/1.1"
    service: ClassVar[Service]

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.service.requests.append((self.requestline, headers, self.body))
        canned = self.service.canned.popleft() if self.service.canned else None
        if canned is not None and not canned.done:
            self._answer(canned.status, canned.body, canned.headers)
            return
        status, document = self._route()
        if canned is not None:
            self._answer(canned.status, canned.body, canned.headers)
        else:
            self._answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815  # http.server's names

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # http.server's name
        self.service.access_log.append(f"{self._caller()[0]} {format % arguments}")

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _caller(self) -> tuple[str, str]:
        kind, _, rest = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            name, _, password = base64.b64decode(rest).decode().partition(":")
            return name, password
        return "bearer" if kind == "Bearer" else "-", rest

    def _route(self) -> tuple[int, Any]:
        url = urlsplit(self.path)
        steps = [unquote(step) for step in url.path.strip("/").split("/")]
        if steps[:2] == ["scim", "v2"]:
            return self._scim(steps[2:], parse_qs(url.query))
        if (self.command, steps) == ("POST", ["v1", "login"]):
            asked = self._document()
            return 200, {"authenticated": self.service.may(asked.get("username", ""), asked.get("password", ""))}
        if steps[:2] == ["v1", "sessions"] and len(steps) == 3:
            return (200, {}) if steps[2] in self.service.sessions else (404, {"error": "no such session"})
        name, password = self._caller()
        if not self.service.may(name, password):
            return 401, {"error": "wrong name or password"}
        return self._as(name, steps)

    def _as(self, caller: str, steps: list[str]) -> tuple[int, Any]:
        if steps == ["v1", "whoami"]:
            return 200, {"user": caller}
        if (self.command, steps) == ("POST", ["v1", "sessions"]):
            token = secrets.token_urlsafe(8)
            self.service.sessions[token] = caller
            return 200, {"token": token}
        if len(steps) == 4 and steps[:2] == ["v1", "users"]:
            if caller not in {"operator", steps[2]}:
                return 403, {"error": f"{caller} may not do this"}
            if steps[3] == "password":
                return self._set_password(steps[2], self._document().get("password", ""))
            if steps[3] == "sessions":
                return 200, {"data": {"ended": self._end_sessions(steps[2])}}
        return 404, {"error": "no such resource"}

    def _set_password(self, name: str, password: str) -> tuple[int, Any]:
        if name not in self.service.people:
            return 404, {"error": f"there is nobody called {name}"}
        if len(password) < LEAST_LENGTH:
            return 422, {"error": f"the password {password} is too short", "least": LEAST_LENGTH}
        if not self.service.lies:
            self.service.people[name] = password
        return 200, {"changed": name}

    def _end_sessions(self, name: str) -> int:
        ended = [token for token, owner in self.service.sessions.items() if owner == name]
        for token in ended:
            del self.service.sessions[token]
        return len(ended)

    def _document(self) -> dict[str, str]:
        if "form" in self.headers.get("Content-Type", ""):
            return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}
        found: dict[str, str] = json.loads(self.body)
        return found

    def _scim(self, steps: list[str], query: dict[str, list[str]]) -> tuple[int, Any]:
        if self._caller() != ("bearer", self.service.operator):
            return 401, {"detail": "the token is not valid"}
        if (self.command, steps) == ("GET", ["Users"]):
            wanted = query["filter"][0].removeprefix("userName eq ")
            found = [self._resource(name) for name in self.service.people if name == json.loads(wanted)]
            return 200, {"totalResults": len(found), "Resources": found}
        name = bytes.fromhex(steps[1]).decode() if len(steps) == 2 else ""
        if name not in self.service.people:
            return 404, {"detail": "no such resource"}
        if self.command in {"PATCH", "PUT"}:
            document = json.loads(self.body)
            value = document["Operations"][0]["value"] if self.command == "PATCH" else document["password"]
            status, said = self._set_password(name, value)
            if status != 200:
                return 400, {"scimType": "invalidValue", "detail": said["error"]}
        return 200, self._resource(name)

    def _resource(self, name: str) -> dict[str, Any]:
        return {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": name.encode().hex(), "userName": name,
            "emails": [{"value": f"{len(name)}@acme.example"}], "meta": {"resourceType": "User"},
        }  # fmt: skip


@contextmanager
def serving(service: Service) -> Iterator[int]:
    """The port that it listens on."""
    handler = type("ServiceHandler", (Handler,), {"service": service})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE)


class HttpSession:
    """A person who is logged in: a token that the service takes until it is ended."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url}/v1/sessions/{token}"

    def is_alive(self) -> bool:
        try:
            with urllib.request.urlopen(self._url) as answer:  # noqa: S310  # the test's own service
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            return False

    def close(self) -> None:
        return


@dataclass
class HttpTarget:
    """See `contract.Target`."""

    service: Service
    port: int
    declared: dict[str, Any] = field(default_factory=dict)
    """Settings beside the URLs."""
    host = "127.0.0.1"
    kind = HttpApi
    change_marker = b"PUT /v1/users/"
    wrong_settings: dict[str, Any] = field(
        default_factory=lambda: {
            "url": "ftp://x", "method": "GET", "headers": "Host: elsewhere", "body": "{new}", "body_type": "xml",
            "authorization": "digest", "done_status": "ok", "policy_status": "200-299", "login_url": "http://a@b/",
            "login_rejected_status": "200", "login_accepted_json": "true", "login_body": "{", "changed_by": "anybody",
            "sessions_url": "http://{username}/", "login_headers": "no colon",
        }
    )  # fmt: skip

    @property
    def admin(self) -> Login:
        return Login("operator", Secret(self.service.operator))

    def settings(self, host: str, port: int) -> dict[str, Any]:
        base = f"http://{host}:{port}/v1"
        return {
            "url": f"{base}/users/{{username}}/password", "method": "PUT", "login_url": f"{base}/whoami",
            "sessions_url": f"{base}/users/{{username}}/sessions", "sessions_method": "DELETE",
            "sessions_count": "data.ended", **self.declared,
        }  # fmt: skip

    def connector(self, username: str, **settings: Any) -> HttpApi:
        given = {**self.settings(self.host, self.port), **settings}
        return HttpApi(validated(HttpApi, given), username, timeout=TIMEOUT)

    def make_login(self, password: Secret) -> str:
        name = f"app-{secrets.token_hex(4)}"
        self.service.people[name] = password.reveal()
        return name

    def open_session(self, username: str, password: Secret) -> HttpSession:
        base = f"http://{self.host}:{self.port}"
        credentials = base64.b64encode(f"{username}:{password.reveal()}".encode()).decode()
        asked = urllib.request.Request(  # noqa: S310  # the test's own service
            f"{base}/v1/sessions", data=b"", headers={"Authorization": f"Basic {credentials}"}
        )
        with urllib.request.urlopen(asked) as answer:  # noqa: S310  # as above
            return HttpSession(base, json.load(answer)["token"])

    def recorded(self, act: Callable[[], None]) -> str:
        start = len(self.service.access_log)
        act()
        return "\n".join(self.service.access_log[start:])
