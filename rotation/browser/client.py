"""The parent's side of the browser's process: start it without privileges, ask it, and end it with all it started.

Chromium runs as an unprivileged account with a folder of its own, which goes with it. Where this process is root that
is another account; Playwright, which speaks to it through a pipe, keeps ours. Neither is given our environment.
"""

import functools
import json
import logging
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

logger = logging.getLogger(__name__)

ROOT: Final = Path(__file__).resolve().parent.parent.parent
LAUNCHER: Final = Path(__file__).with_name("chromium.sh")
MARGIN_SECONDS: Final = 0.3
"""What the process has less than its caller, so that it says itself what it was waiting for."""
END_SECONDS: Final = 10.0
"""For Chromium to end, after which its folder is given up."""
LONGEST_ANSWER: Final = 1024 * 1024
SANDBOX_HELPER: Final = Path("/usr/lib/chromium/chrome-sandbox")
# The network is reached through each call's own proxy. Whatever would go past it leads nowhere: this one does not
# exist, no name is resolved here, and media and QUIC may not use UDP.
ARGUMENTS: Final = (
    "--proxy-server=http://127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-quic",
    "--dns-prefetch-disable",
)

Answer = dict[str, Any]


class NoBrowser(Exception):
    """Chromium could not be started. The message says what to do."""


class Silent(Exception):
    """The browser's process did not answer in time, or ended. It was killed."""


@dataclass(frozen=True)
class Chromium:
    """Which Chromium, and the account it runs as where we are root."""

    path: Path
    account: str = "nobody"
    arguments: Sequence[str] = ARGUMENTS

    def run_as(self) -> list[str]:
        """Options of setpriv(1). Raises NoBrowser where root has no such account."""
        if os.geteuid() != 0:
            return []
        try:
            entry = pwd.getpwnam(self.account)
        except KeyError:
            raise NoBrowser(
                f"There is no account {self.account} for the browser: name one (CERBY_CHROMIUM_ACCOUNT)."
            ) from None
        if entry.pw_uid == 0:
            raise NoBrowser("The browser does not run as root: name another account (CERBY_CHROMIUM_ACCOUNT).")
        return [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]


class Browser:
    """A running browser. Each question is answered in a clean context; `close` ends it."""

    def __init__(self, chromium: Chromium, *, seconds: float) -> None:
        """Raises NoBrowser, Silent when it takes more than `seconds` to start."""
        run_as = chromium.run_as()
        if not os.access(chromium.path, os.X_OK):
            raise NoBrowser(
                f"There is no browser at {chromium.path}: install the package chromium on the workers,"
                " or say where it is (CERBY_CHROMIUM)."
            )
        if shutil.which("setpriv") is None:
            raise NoBrowser("The command setpriv is missing: install the package util-linux on the workers.")
        self.home = Path(tempfile.mkdtemp(prefix="cerby-browser-"))
        self._process = self._start()
        self._unread = b""
        self._end = weakref.finalize(self, _end, self._process, self.home)
        try:
            self._launch(chromium, run_as, seconds)
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._end()

    @property
    def session(self) -> int:
        """The kernel's session of the process and its driver."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._end.alive and self._process.poll() is None

    def ask(self, call: Mapping[str, Any], *, seconds: float, code: Callable[[], Answer]) -> Answer:
        """The answer to a call, as `rotation.browser.__main__` describes them. Raises Silent.

        `code` gives what the process asks for meanwhile; what it takes is part of the time.
        """
        until = time.monotonic() + seconds
        self._say({**call, "seconds": max(MARGIN_SECONDS, seconds - MARGIN_SECONDS)})
        while True:
            answer = self._hear(until)
            if "need" not in answer:
                return answer
            self._say(code())

    def _start(self) -> "subprocess.Popen[bytes]":
        scratch = self.home / "scratch"
        scratch.mkdir(mode=0o700)
        self.home.chmod(0o711)
        return subprocess.Popen(  # our own program
            [sys.executable, "-s", "-m", "rotation.browser"], cwd=ROOT, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(scratch), "TMPDIR": str(scratch)},
        )  # fmt: skip

    def _launch(self, chromium: Chromium, run_as: list[str], seconds: float) -> None:
        home = self.home / "home"
        home.mkdir(mode=0o700)
        if run_as:
            entry = pwd.getpwnam(chromium.account)
            os.chown(home, entry.pw_uid, entry.pw_gid)
        environment = {
            "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(home), "TMPDIR": str(home),
            "CERBY_CHROMIUM": str(chromium.path), "CERBY_RUN_AS": " ".join(run_as),
        }  # fmt: skip
        self._say(
            {
                "executable": str(LAUNCHER), "args": list(chromium.arguments), "env": environment,
                "sandbox": can_sandbox(tuple(run_as)),
            }
        )  # fmt: skip
        answer = self._hear(time.monotonic() + seconds)
        if "failed" in answer:
            raise NoBrowser(f"Chromium does not start: {str(answer['failed'])[:300]}")

    def _say(self, message: Mapping[str, Any]) -> None:
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            self._end()
            raise Silent("The browser's process ended.") from None

    def _hear(self, until: float) -> Answer:
        """The next line of the process, parsed. It is killed where none comes in time."""
        assert self._process.stdout is not None
        descriptor, poll = self._process.stdout.fileno(), select.poll()
        poll.register(descriptor, select.POLLIN)
        while b"\n" not in self._unread:
            readable = poll.poll(max(0.0, until - time.monotonic()) * 1000)
            more = os.read(descriptor, 65536) if readable else b""
            if not more or len(self._unread) > LONGEST_ANSWER:
                self._end()
                raise Silent("The browser's process ended." if readable else "The browser did not answer in time.")
            self._unread += more
        line, _, self._unread = self._unread.partition(b"\n")
        answer: Answer = json.loads(line)
        return answer


@functools.cache
def can_sandbox(run_as: tuple[str, ...]) -> bool:
    """Whether Chromium can shut its pages up in its own sandbox here: that needs user namespaces, or its helper."""
    trial = ["setpriv", *run_as, "unshare", "--user", "true"]
    found = subprocess.run(trial, capture_output=True, check=False, cwd="/")  # noqa: S603  # our own words
    if found.returncode != 0 and not SANDBOX_HELPER.exists():
        logger.warning(
            "Chromium runs without its sandbox: this machine forbids user namespaces to unprivileged accounts."
            " Allow them to the workers, or install the package chromium-sandbox."
        )
        return False
    return True


def _end(process: "subprocess.Popen[bytes]", home: Path) -> None:
    """Kill the process with its driver; Chromium's death signal does the rest. Then its folder goes."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:  # what was not sent yet has no reader any more
                continue
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    until = time.monotonic() + END_SECONDS
    while time.monotonic() < until:  # Chromium may be writing still
        shutil.rmtree(home, ignore_errors=True)
        if not home.exists():
            return
        time.sleep(0.05)
    logger.warning("The browser's folder %s could not be removed.", home)
