"""`make demo`: engines, tables, a company, and the three processes; says where everything is once it answers."""

import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cerby import boot, environment
from cerby.engines import Addresses
from cerby.engines.files import make_folder
from cerby.engines.locks import FileLock
from cerby.environment import Environment, Mode
from demo import facts
from demo.credentials import Credentials
from demo.facts import Facts
from demo.terminal import complain, say

LOCK: Final = "demo.lock"
# The demo is the same wherever it runs: nothing of another installation's configuration reaches it.
_FOREIGN: Final = ("DATABASE_URL", "REDIS_URL", "CERBY_SECRET_KEY", "CERBY_ENCRYPTION_KEYS", "CERBY_FAILPOINTS")


class DemoError(Exception):
    """The demo cannot do what was asked; the text says what to do."""


def start(port: int) -> int:
    """Run the demo until Ctrl-C, SIGTERM or the end of one of its processes. Returns an exit status.

    Raises DemoError, Misconfigured, EngineError or CerbyError where it cannot start.
    """
    found = configure(port)
    with only_one(found.home):
        facts.remove(found.home)
        _refuse_taken_port(found)
        say("Starting Cerby …")
        open_for = _prepare(found)
        return _run(found.home, open_for)


def configure(port: int) -> Environment:
    """Turn this process's environment, and so its children's, into a demo's. Raises Misconfigured."""
    for name in _FOREIGN:
        os.environ.pop(name, None)
    os.environ["DJANGO_SETTINGS_MODULE"] = "cerby.settings"
    os.environ.update(CERBY_MODE=Mode.DEMO.value, CERBY_PORT=str(port), CERBY_BASE_URL="")
    found = environment.read()
    host = f"[{found.bind}]" if ":" in found.bind else found.bind
    os.environ["CERBY_BASE_URL"] = f"http://{host}:{port}"
    return environment.read()


def only_one(home: Path) -> FileLock:
    """Held while a demo runs in this home. Raises DemoError where one does."""
    make_folder(home, 0o711 if os.geteuid() == 0 else 0o700)
    lock = FileLock(home / LOCK)
    if not lock.try_exclusive():
        lock.close()
        raise DemoError(f"A demo is running already with its data in {home}. Stop it first (Ctrl-C where it runs).")
    return lock


def _refuse_taken_port(found: Environment) -> None:
    family = socket.AF_INET6 if ":" in found.bind else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((found.bind, found.port))
        except OSError as error:
            raise DemoError(
                f"Port {found.port} cannot be used ({os.strerror(error.errno or 0)})."
                f" Choose another one: make demo PORT={found.port + 1 if found.port < 65535 else 8000}"
            ) from error


def _prepare(found: Environment) -> Facts:
    """Engines, migrations, company. Needs Django only from here on, when its settings can be read."""
    engines = boot.provide()
    if engines is None:
        raise DemoError("The demo brings its own engines, but DATABASE_URL and REDIS_URL are set.")
    import django
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    logging.getLogger().setLevel(logging.WARNING)
    call_command("migrate", verbosity=0, interactive=False)
    credentials = _seed(found.home, engines.start())
    connections.close_all()  # nothing open is handed to the processes
    return Facts(
        admin_url=f"{found.public_url}/admin/",
        owner_email="owner@acme.example",
        owner_password=credentials.owner_password,
        scim_base_url=f"{found.public_url}/scim/v2/",
        scim_token=credentials.scim_token,
        workspace="acme",
    )


def _seed(home: Path, addresses: Addresses) -> Credentials:
    from demo import seed

    credentials = seed.ensure(addresses, Credentials.load(home))
    credentials.save(home)
    return credentials


def _run(home: Path, ready: Facts) -> int:
    from demo.processes import Processes

    telling = Telling(home, ready)
    processes = Processes(on_start=telling.begin, on_stop=telling.end)
    telling.give_up = processes.terminate
    processes.add_procfile(_child_environment())
    processes.loop()
    if telling.problem:
        raise DemoError(telling.problem)
    if processes.culprit:
        name, status = processes.culprit
        complain(f"The demo stopped because its process “{name}” ended with status {status}.")
        return status or 1
    say("The demo has stopped. Its data is kept: make demo goes on with it.")
    return 0


def _child_environment() -> dict[str, str]:
    binaries = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": os.pathsep.join([binaries, os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "GUNICORN_CMD_ARGS": "--log-level warning",
        # Celery warns root; a demo on somebody's own machine may be root's.
        "PYTHONWARNINGS": "ignore:::celery.platforms",
    }


class Telling:
    """Waits beside the processes until everything answers; then writes demo.json and prints the banner."""

    def __init__(self, home: Path, ready: Facts) -> None:
        self.home, self.facts = home, ready
        self.problem = ""
        self.give_up: Callable[[], None] = self.end
        self._stop = threading.Event()
        self._writing = threading.RLock()  # the main thread may come again from a second signal

    def begin(self) -> None:
        threading.Thread(target=self._wait, name="readiness", daemon=True).start()

    def end(self) -> None:
        """From here on demo.json does not exist, and is not written any more."""
        with self._writing:
            self._stop.set()
            facts.remove(self.home)

    def _wait(self) -> None:
        from demo import readiness

        try:
            readiness.wait(self.facts, self._stop)
        except readiness.NotReady as error:
            self.problem = f"The demo did not become ready: {error}. What its processes said stands above."
            self.give_up()
            return
        with self._writing:
            if not self._stop.is_set():
                self.facts.write(self.home)
                say(banner(self.facts))


def banner(ready: Facts) -> str:
    """What a newcomer needs to go on."""
    return f"""
  Cerby is running with the demo company “Acme”.

    Admin      {ready.admin_url}
    Owner      {ready.owner_email}
    Password   {ready.owner_password}

    SCIM base  {ready.scim_base_url}
    Token      {ready.scim_token}

  What to try next
    make story   in another terminal: Okta assigns, pushes and deactivates people, and a password
                 dies on a real server while you watch
    README.md    “Connect your Okta”: the same with your own tenant

  Ctrl-C stops everything. The data is kept in {_short(Path(os.environ.get("CERBY_HOME", environment.ROOT / "var")))};
  make demo-reset throws it away.
"""


def _short(path: Path) -> str:
    """Relative to the checkout where it lies in there."""
    return str(path.relative_to(environment.ROOT)) + "/" if path.is_relative_to(environment.ROOT) else str(path)
