"""The browser as a process: without privileges, without our environment, without a way past the gate, gone in time."""

import hashlib
import os
import signal
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pytest_django import Settings

from rotation.browser import client
from rotation.browser.client import ARGUMENTS, Browser, Chromium, NoBrowser
from rotation.connectors.base import FailureKind, TargetError
from rotation.connectors.contract import random_password, until
from rotation.connectors.web_form import WebForm, connector
from tests.rotation.connectors.tls import TlsFront, self_signed
from tests.rotation.connectors.web_site import Site, page
from tests.rotation.connectors.web_target import TIMEOUT, WebTarget, shared_browser
from tests.waiting import eventually
from workspace.crypto import Secret


@pytest.fixture(scope="module", autouse=True)
def _chromium() -> Iterator[None]:
    """Skips where there is none."""
    with shared_browser():
        yield


@pytest.fixture
def target() -> Iterator[WebTarget]:
    with Site() as site:
        yield WebTarget(site)


@pytest.fixture
def own(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Browser]]:
    """Connectors start browsers of their own, as in production; those that were started."""
    started: list[Browser] = []

    def start(seconds: float) -> Browser:
        started.append(Browser(Chromium(settings.CHROMIUM, settings.CHROMIUM_ACCOUNT), seconds=seconds))
        return started[-1]

    monkeypatch.setattr(connector, "start", start)
    yield started
    for browser in started:
        browser.close()


def processes(browser: Browser) -> dict[int, str]:
    """The command lines of all that belongs to a browser: of its session, or with its folder as the profile."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            session = int((folder / "stat").read_text().rpartition(")")[2].split()[3])
            if session == browser.session or str(browser.home) in command:
                found[int(folder.name)] = command
    return found


def owner(pid: int) -> int | None:
    """Whose process it is; None for one that has ended meanwhile, as a browser's helpers do."""
    with suppress(OSError):
        return Path(f"/proc/{pid}").stat().st_uid
    return None


def environment(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes()
    return b""


# Privileges


def test_chromium_is_unprivileged_sandboxed_and_knows_nothing_of_our_environment(
    target: WebTarget, own: list[Browser], old: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERBY_ENCRYPTION_KEYS", "the key of everything")
    visitor = target.connector(target.make_login(old))
    assert visitor.verify(old)
    running = processes(own[0])
    marks = ("--user-data-dir", "--type=")
    chromium = {pid: command for pid, command in running.items() if any(mark in command for mark in marks)}
    assert len(chromium) > 2
    assert {owner(pid) for pid in chromium} - {None} == ({65534} if os.geteuid() == 0 else {os.geteuid()})
    main = next(command for command in chromium.values() if "--type=" not in command)
    assert ("--no-sandbox" in main) is not client.can_sandbox(tuple(Chromium(Path("/x")).run_as()))
    environments = {pid: environment(pid) for pid in running}
    assert sum(map(bool, environments.values())) > 2
    for pid, found in environments.items():
        assert b"the key of everything" not in found
        assert b"DATABASE_URL" not in found
        assert old.reveal() not in running[pid]


def test_its_folder_is_closed_to_others_and_goes_with_it(target: WebTarget, own: list[Browser], old: Secret) -> None:
    visitor = target.connector(target.make_login(old))
    visitor.verify(old)
    browser = own[0]
    assert oct((browser.home / "home").stat().st_mode)[-3:] == "700"
    assert processes(browser)
    visitor.close()
    assert until(lambda: not processes(browser))
    assert not browser.home.exists()


def test_one_browser_serves_the_calls_of_a_connector_and_remembers_nothing(
    target: WebTarget, own: list[Browser], old: Secret
) -> None:
    visitor = target.connector(target.make_login(old))
    assert (visitor.verify(old), visitor.verify(random_password()), visitor.verify(old)) == (True, False, True)
    assert len(own) == 1


@pytest.mark.parametrize("account", ["root", "nobody of that name"])
def test_as_root_it_needs_an_account_that_is_not(account: str, settings: Settings) -> None:
    if os.geteuid() != 0:
        assert Chromium(settings.CHROMIUM, account).run_as() == []
        return
    with pytest.raises(NoBrowser, match="CERBY_CHROMIUM_ACCOUNT"):
        Browser(Chromium(settings.CHROMIUM, account), seconds=TIMEOUT)


def test_a_missing_browser_is_named_with_its_package(
    target: WebTarget, old: Secret, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    settings.CHROMIUM = Path("/usr/bin/no-such-chromium")
    monkeypatch.setattr(connector, "start", lambda seconds: Browser(Chromium(settings.CHROMIUM), seconds=seconds))
    with pytest.raises(TargetError, match="install the package chromium") as failure:
        target.connector(target.make_login(old)).verify(old)
    assert failure.value.kind is FailureKind.PERMISSION


def test_a_browser_that_does_not_start_says_so(target: WebTarget, old: Secret) -> None:
    with pytest.raises(NoBrowser, match="does not start"):
        Browser(Chromium(Path("/bin/false")), seconds=TIMEOUT)


# Ends


@pytest.mark.parametrize("dies", ["process", "driver", "chromium"])
def test_a_browser_that_dies_is_unreachable_and_the_next_call_has_another(
    target: WebTarget, own: list[Browser], old: Secret, dies: str
) -> None:
    visitor = target.connector(target.make_login(old))
    visitor.verify(old)
    kill(own[0], dies)
    with suppress(TargetError):  # whichever call finds out
        visitor.verify(old)
    assert until(lambda: _accepts(visitor, old))
    assert len(own) == 2
    assert until(lambda: not processes(own[0]))
    assert not own[0].home.exists()


def kill(browser: Browser, which: str) -> None:
    running = processes(browser)
    marks = {"process": "-m rotation.browser", "driver": "/driver/", "chromium": "--remote-debugging-pipe"}
    pid = next(
        pid for pid, command in running.items() if marks[which] in command and "--type=" not in command
    )
    os.kill(pid, signal.SIGKILL)


def _accepts(visitor: WebForm, password: Secret) -> bool:
    try:
        return visitor.verify(password)
    except TargetError as error:
        if error.kind is not FailureKind.UNREACHABLE:
            raise
        return False


# The network


def test_loopback_is_out_of_its_reach_in_production(target: WebTarget, old: Secret, settings: Settings) -> None:
    settings.ALLOW_LOOPBACK_TARGETS = False
    visitor = target.connector(target.make_login(old))
    with pytest.raises(TargetError, match="loopback") as failure:
        visitor.verify(old)
    assert failure.value.kind is FailureKind.PERMISSION
    assert target.site.hosts == []


class Trap:
    """Listens for TCP and UDP on an address that pages are not allowed to reach."""

    host = "127.0.0.2"

    def __init__(self) -> None:
        self.visits: list[str] = []
        self.tcp = socket.create_server((self.host, 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((self.host, 0))
        for listen in (self._accept, self._receive):
            threading.Thread(target=listen, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self.tcp.accept()[0].close()
                self.visits.append("tcp")

    def _receive(self) -> None:
        with suppress(OSError):
            while True:
                self.udp.recv(2048)
                self.visits.append("udp")

    def close(self) -> None:
        for each in (self.tcp, self.udp):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


HOSTILE = """
<link rel="preconnect" href="http://{host}:{tcp}"><link rel="dns-prefetch" href="//x.test">
<img src="http://{host}:{tcp}/">
<iframe src="http://{host}:{tcp}/"></iframe><iframe src="file:///etc/passwd"></iframe><p id="done"></p>
<script>
const tried = [fetch("http://{host}:{tcp}/", {{mode: "no-cors"}}).catch(() => 0)];
const wait = make => tried.push(new Promise(resolve => {{ make(resolve); setTimeout(resolve, 1000); }}));
wait(resolve => {{ const s = new WebSocket("ws://{host}:{tcp}/"); s.onerror = s.onopen = resolve; }});
wait(resolve => {{
  const peer = new RTCPeerConnection({{iceServers: [
    {{urls: "stun:{host}:{udp}"}}, {{urls: "turn:{host}:{tcp}?transport=tcp", username: "u", credential: "c"}}]}});
  peer.createDataChannel("x");
  peer.createOffer().then(offer => peer.setLocalDescription(offer));
  peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && resolve();
}});
navigator.sendBeacon("http://{host}:{tcp}/", "x");
Promise.all(tried).then(() => document.getElementById("done").textContent = "Everything was tried");
</script>
"""


def test_a_hostile_page_finds_no_way_past_the_gate(target: WebTarget, old: Secret) -> None:
    """Not by pictures, frames, requests, sockets, nor by what does not use proxies: WebRTC and name lookups."""
    trap = Trap()
    words = HOSTILE.format(host=trap.host, tcp=trap.tcp.getsockname()[1], udp=trap.udp.getsockname()[1])
    target.site.private["/"] = lambda visitor, form: (200, page(f"Signed in as {visitor.session.name}", words))
    recipe = {**target.settings("x", 1)["recipe"]}
    recipe["login"] = {**recipe["login"], "accepted": {"text": "Everything was tried"}}
    visitor = target.connector(target.make_login(old), recipe=recipe)
    visitor.allowed_hosts = (target.host,)
    try:
        assert visitor.verify(old)
        assert trap.visits == []
        visitor.allowed_hosts = ()  # and the trap does work
        visitor.verify(old)
        eventually(lambda: "tcp" in trap.visits)
    finally:
        trap.close()


WORKER = """
<p id="done"></p><script>
const tell = () => document.getElementById("done").textContent = "Everything was tried";
navigator.serviceWorker.register("/worker.js").then(tell, tell);
</script>
"""


def test_a_page_puts_no_service_worker_between_the_site_and_what_is_typed(target: WebTarget, old: Secret) -> None:
    target.site.private["/"] = lambda visitor, form: (200, page(f"Signed in as {visitor.session.name}", WORKER))
    recipe = {**target.settings("x", 1)["recipe"]}
    recipe["login"] = {**recipe["login"], "accepted": {"text": "Everything was tried"}}
    assert target.connector(target.make_login(old), recipe=recipe).verify(old)
    assert "/worker.js" not in "\n".join(target.site.log)


def test_a_site_off_the_workspaces_list_is_not_visited(target: WebTarget, old: Secret) -> None:
    visitor = target.connector(target.make_login(old))
    visitor.allowed_hosts = ("intranet.example.com",)
    with pytest.raises(TargetError, match="not on the workspace's list") as failure:
        visitor.verify(old)
    assert failure.value.kind is FailureKind.PERMISSION


# TLS


def test_tls_goes_through_the_gate_and_a_false_certificate_is_no_site(
    target: WebTarget, old: Secret, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookup = socket.getaddrinfo

    def resolve(host: str, *arguments: object, **named: object) -> object:
        return lookup("127.0.0.1" if host == "site.example" else host, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    pem = self_signed(tmp_path, "site.example")
    with TlsFront((target.host, target.port), pem) as front:
        visitor = target.connector(target.make_login(old), url=f"https://site.example:{front.port}/")
        with pytest.raises(TargetError, match="its certificate is not valid") as failure:
            visitor.verify(old)
        assert failure.value.kind is FailureKind.UNREACHABLE

        trusting = Chromium(
            settings.CHROMIUM, settings.CHROMIUM_ACCOUNT,
            (*ARGUMENTS, f"--ignore-certificate-errors-spki-list={fingerprint(pem)}"),
        )  # fmt: skip
        with Browser(trusting, seconds=TIMEOUT) as browser:
            monkeypatch.setattr(connector, "start", lambda seconds: browser)
            trusted = target.connector(visitor.username, url=f"https://site.example:{front.port}/")
            assert (trusted.verify(old), trusted.verify(random_password())) == (True, False)
    assert set(front.names) == {"site.example"}


def fingerprint(pem: Path) -> str:
    """SHA-256 of the certificate's public key."""
    key = x509.load_pem_x509_certificate(pem.read_bytes()).public_key()
    raw = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b64encode(hashlib.sha256(raw).digest()).decode()
