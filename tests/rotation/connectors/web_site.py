"""A small web site where people log in: sessions, CSRF tokens, one-time codes, a password policy, log out everywhere.

It runs on a socket of its own in threads of the test's process and keeps everything in memory. Its pages exist as HTML
and, under /app, made by script from a JSON API; `style` says which further peculiarities it has.
"""

import html
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

import pyotp

SHORTEST: Final = 8


@dataclass
class Person:
    """One login. `codes` makes its one-time codes, where it has them; `used` are those it presented."""

    password: str
    codes: pyotp.TOTP | None = None
    used: list[str] = field(default_factory=list)


@dataclass
class Session:
    """A visitor by their cookie; `name` is set once the password was right, `is_in` once they are through."""

    token: str = field(default_factory=lambda: secrets.token_hex(8))
    name: str = ""
    is_in: bool = False


class Site:
    """The server. `style`: one of CAPTCHAS, "badge", "shows_all" (an answer for every address), "two_steps" (the name
    first), "scripts" (the well-known address leads to /app), "elsewhere" (whoever logs in is sent on to `lure`),
    "down", "busy"."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.sessions: dict[str, Session] = {}
        self.style: set[str] = set()
        self.lure = ""
        self.attributes: dict[str, str] = {}
        """What the fields of its forms have beside their names, by these."""
        self.log: list[str] = []
        self.hosts: list[str] = []
        self.private = dict(PRIVATE)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.host, self.port = "127.0.0.1", int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def sessions_of(self, name: str) -> list[Session]:
        return [session for session in list(self.sessions.values()) if session.is_in and session.name == name]

    def enter(self, session: Session, name: str, password: str) -> bool:
        """Whether the password is right; the session is through unless a code is asked for."""
        person = self.people.get(name)
        if person is None or person.password != password:
            return False
        session.name, session.is_in = name, person.codes is None
        return True

    def give_code(self, session: Session, code: str) -> bool:
        person = self.people.get(session.name)
        if person is None or person.codes is None:
            return False
        fresh = code not in person.used
        person.used.append(code)
        session.is_in = fresh and person.codes.verify(code, valid_window=2)
        return session.is_in

    def change(self, session: Session, current: str, new: str) -> str:
        """What is wrong with it; empty where the new password is in force."""
        person = self.people[session.name]
        if person.password != current:
            return "The current password is not right."
        if new == current:
            return "The new password must be another one."
        if len(new) < SHORTEST:
            return f"Use at least {SHORTEST} characters; {new} has {len(new)}."  # sites do repeat what was typed
        person.password = new
        return ""

    def log_out_everywhere(self, session: Session) -> int:
        others = [each for each in self.sessions_of(session.name) if each is not session]
        for each in others:
            del self.sessions[each.token]
        return len(others)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(Visitor):
            def __init__(self, *args: Any) -> None:
                self.site = site
                super().__init__(*args)

        return Handler


class Visitor(BaseHTTPRequestHandler):
    """One connection of a browser."""

    site: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        is_json = "json" in self.headers.get("Content-Type", "")
        self._answer(json.loads(body) if is_json else {k: v[-1] for k, v in parse_qs(body).items()})

    def log_message(self, *args: Any) -> None:
        """The log is the site's own."""

    def _answer(self, form: dict[str, str]) -> None:
        site, path = self.site, urlsplit(self.path).path
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("sid")
        self.session = site.sessions.get(cookie.value if cookie else "") or Session()
        site.sessions[self.session.token] = self.session
        site.hosts.append(self.headers.get("Host", ""))
        if self.command == "POST" and form.get("csrf") != self.session.token[::-1]:
            return self._send(403, page("Your form has expired."))
        answer = self._page(path, form)
        site.log.append(f"{self.command} {path} by {self.session.name or '-'}")
        return self._send(*answer)

    def _page(self, path: str, form: dict[str, str]) -> tuple[int, str]:
        if "down" in self.site.style:
            return 503, page("Down for maintenance")
        if "busy" in self.site.style:
            return 429, page("Too many requests")
        if path in PUBLIC:
            return PUBLIC[path](self, form)
        if path in self.site.private:
            return self.site.private[path](self, form) if self.session.is_in else (302, "/login")
        if "shows_all" in self.site.style:
            return 200, page("Welcome to our home page")
        return 404, page("There is no such page.")

    def _send(self, status: int, text: str) -> None:
        body = b"" if status == 302 else text.encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", text)
        if status in {429, 503}:
            self.send_header("Retry-After", "17")
        self.send_header("Set-Cookie", f"sid={self.session.token}; HttpOnly; Path=/; SameSite=Lax")
        self.send_header("Content-Type", "application/json" if text.startswith("{") else "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    # Pages

    def home(self, form: dict[str, str]) -> tuple[int, str]:
        return 200, page(f"Signed in as {self.session.name}", '<a href="/account">Account</a>')

    def login(self, form: dict[str, str]) -> tuple[int, str]:
        if "elsewhere" in self.site.style:
            return 302, self.site.lure
        if self.command == "GET":
            return 200, page("Log in", self.login_form(), self.widgets())
        if "two_steps" in self.site.style and "password" not in form:
            return 200, page("Log in", self.password_form(form["username"]))
        if not self.site.enter(self.session, form.get("username", ""), form.get("password", "")):
            return 200, page("Log in", alert("Wrong name or password."), self.login_form())
        return 302, "/" if self.session.is_in else "/code"

    def login_form(self) -> str:
        name = field_of("username", "User name", autocomplete="username")
        if "two_steps" in self.site.style:
            return self.form("/login", name, button="Next")
        return self.form("/login", name, password_field("password", "Password", "current-password"), button="Sign in")

    def password_form(self, name: str) -> str:
        hidden = f'<input type="hidden" name="username" value="{html.escape(name)}">'
        return self.form("/login", hidden, password_field("password", "Password", "current-password"), button="Sign in")

    def code(self, form: dict[str, str]) -> tuple[int, str]:
        field_ = field_of("code", "Code", autocomplete="one-time-code")
        if self.command == "GET" or not self.session.name:
            return 200, page("Second factor", self.form("/code", field_, button="Go on"))
        if self.site.give_code(self.session, form.get("code", "")):
            return 302, "/"
        return 200, page("Second factor", alert("This code is not valid."), self.form("/code", field_, button="Go on"))

    def password(self, form: dict[str, str]) -> tuple[int, str]:
        fields = (
            password_field("current", "Current password", "current-password"),
            password_field("new", "New password", "new-password"), password_field("again", "Repeat", "new-password"),
        )  # fmt: skip
        shown = self.form("/account/password", *fields, button="Change password")
        if self.command == "GET":
            return 200, page("Change your password", shown)
        wrong = self.site.change(self.session, form.get("current", ""), form.get("new", ""))
        if wrong:
            return 200, page("Change your password", alert(wrong), shown)
        return 200, page("Your password has been changed.")

    def account(self, form: dict[str, str]) -> tuple[int, str]:
        return 200, page(
            "Account", self.form("/account/log-out-everywhere", button="Log out everywhere"),
            self.form("/logout", button="Log out"),
        )  # fmt: skip

    def everywhere(self, form: dict[str, str]) -> tuple[int, str]:
        number = self.site.log_out_everywhere(self.session)
        return 200, page("Done", f'<p><b id="ended">{number}</b> other sessions have ended.</p>')

    def logout(self, form: dict[str, str]) -> tuple[int, str]:
        self.site.sessions.pop(self.session.token, None)
        self.session.is_in = False
        return 302, "/login"

    def well_known(self, form: dict[str, str]) -> tuple[int, str]:
        return 302, "/app/password" if "scripts" in self.site.style else "/account/password"

    def scripted(self, form: dict[str, str]) -> tuple[int, str]:
        """A page that is empty until its script has run."""
        values = json.dumps({"token": self.session.token[::-1], "in": self.session.is_in})
        return 200, page("Loading…", f"<div id=app></div><script>const state={values};{SCRIPT}</script>")

    def api_login(self, form: dict[str, str]) -> tuple[int, str]:
        done = self.site.enter(self.session, form["username"], form["password"])
        return (200, "{}") if done else (401, json.dumps({"error": "Wrong name or password."}))

    def api_change(self, form: dict[str, str]) -> tuple[int, str]:
        wrong = self.site.change(self.session, form["current"], form["new"])
        return (422, json.dumps({"error": wrong})) if wrong else (200, "{}")

    def form(self, action: str, *fields: str, button: str) -> str:
        token = f'<input type="hidden" name="csrf" value="{self.session.token[::-1]}">'
        shown = "".join(fields)
        for name, more in self.site.attributes.items():
            shown = shown.replace(f'name="{name}"', f'name="{name}" {more}')
        return f'<form method="post" action="{action}">{token}{shown}<button>{button}</button></form>'

    def widgets(self) -> str:
        frame = '<iframe title="captcha" width="300" height="80" src="https://{}"></iframe>'
        found = [frame.format(host) for host in CAPTCHAS if host in self.site.style]
        if "badge" in self.site.style:
            badge = frame.format("www.google.example/recaptcha/api2/anchor")
            found.append(f'<div class="grecaptcha-badge">{badge}</div>')
        return "".join(found)


CAPTCHAS: Final = (
    "www.recaptcha.example/recaptcha/api2/anchor", "newassets.hcaptcha.com/captcha/v1/x",
    "challenges.cloudflare.com/cdn-cgi/challenge-platform/x",
)  # fmt: skip
Page = Callable[[Visitor, dict[str, str]], tuple[int, str]]
PUBLIC: Final[dict[str, Page]] = {
    "/login": Visitor.login, "/code": Visitor.code, "/app/login": Visitor.scripted, "/app/password": Visitor.scripted,
    "/api/login": Visitor.api_login,
}  # fmt: skip
PRIVATE: Final[dict[str, Page]] = {
    "/": Visitor.home, "/account": Visitor.account, "/account/password": Visitor.password,
    "/account/log-out-everywhere": Visitor.everywhere, "/logout": Visitor.logout, "/api/password": Visitor.api_change,
    "/.well-known/change-password": Visitor.well_known,
}  # fmt: skip


def page(title: str, *parts: str) -> str:
    return f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{html.escape(title)}</h1>{''.join(parts)}"


def alert(text: str) -> str:
    return f'<p role="alert" class="problem">{html.escape(text)}</p>'


def field_of(name: str, label: str, *, autocomplete: str, kind: str = "text") -> str:
    given = f'name="{name}" type="{kind}" autocomplete="{autocomplete}"'
    return f"<p><label>{label} <input {given}></label></p>"


def password_field(name: str, label: str, autocomplete: str) -> str:
    return field_of(name, label, autocomplete=autocomplete, kind="password")


SCRIPT: Final = """
const app = document.getElementById("app");
const field = (name, label, auto) =>
  `<p><label>${label} <input type="password" name="${name}" autocomplete="${auto}"></label></p>`;
const login = `<form><p><label>User name <input name="username" autocomplete="username"></label></p>
  ${field("password", "Password", "current-password")}<button>Sign in</button></form><p role="alert"></p>`;
const change = `<form>${field("current", "Current password", "current-password")}
  ${field("new", "New password", "new-password")}<button>Change</button></form><p role="alert"></p>`;
async function send(path, form) {
  const body = {...Object.fromEntries(new FormData(form)), csrf: state.token};
  const headers = {"Content-Type": "application/json"};
  const answer = await fetch(path, {method: "POST", body: JSON.stringify(body), headers});
  return answer.ok ? "" : (await answer.json()).error;
}
function show(markup, path, done) {
  app.innerHTML = markup;
  app.querySelector("form").addEventListener("submit", async event => {
    event.preventDefault();
    const wrong = await send(path, event.target);
    if (wrong) app.querySelector("[role=alert]").textContent = wrong; else done();
  });
}
setTimeout(() => {
  document.querySelector("h1").textContent = "Application";
  if (location.pathname === "/app/login" || !state.in)
    show(login, "/api/login", () => { app.textContent = "Hello. You are in."; });
  else show(change, "/api/password", () => { app.textContent = "It is changed."; });
}, 150);
"""
