"""The real servers that the connectors are tried on."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cerby.engines import Addresses, Engines
from rotation.connectors.contract import random_password
from tests import boot
from tests.rotation.connectors import ldap_target, linux_machine, mariadb_target, ssh_target
from tests.rotation.connectors.ssh_proxy import Loop
from workspace.crypto import Secret


@pytest.fixture
def old() -> Secret:
    """A login's password before a change."""
    return random_password()


@pytest.fixture
def new() -> Secret:
    return random_password()


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """The test run's own engines, or others where it was given a database from elsewhere."""
    if boot.ENGINES is not None:
        yield boot.ENGINES
        return
    home = Path(tempfile.mkdtemp(prefix="cerby-targets-"))
    home.chmod(0o711)  # as root the engines run as another account, which must reach its folder in here
    started = Engines(home)
    try:
        started.start()
        yield started
        started.release()
        started.wipe()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def addresses(engines: Engines) -> Addresses:
    return engines.start()


@pytest.fixture(scope="session")
def ssh_servers() -> Iterator[ssh_target.SshTarget]:
    loop = Loop()
    try:
        with linux_machine.machine() as machine, ssh_target.servers(machine, loop) as found:
            yield found
    finally:
        loop.stop()


@pytest.fixture(scope="session")
def ldap_server() -> Iterator[ldap_target.LdapTarget]:
    with ldap_target.server() as found:
        yield found


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[mariadb_target.MariaDbTarget]:
    with mariadb_target.server() as found:
        yield found
