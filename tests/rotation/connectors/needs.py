"""What a test needs of this machine. What is missing is named in the reason of a skip, with the package to install."""

import os
import shutil
import subprocess

import pytest

from cerby.engines import ports

NO_USERS = (
    "an ordinary user has a machine with users of its own only where user namespaces are allowed to them"
    " (sysctl kernel.unprivileged_userns_clone=1) and where /etc/subuid and /etc/subgid give them ids"
    " (usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME); or run these tests as root."
)

# Debian keeps servers here, and an ordinary user's PATH does not.
SEARCH_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"


def program(name: str, *, package: str) -> str:
    """The path of a program; without it the test is skipped."""
    found = shutil.which(name, path=SEARCH_PATH)
    if found is None:
        pytest.skip(f"{name} is not installed; on Debian: apt install {package}")
    return found


def users() -> list[str]:
    """Options with which unshare(1) makes a machine that has many users: none as root. Skips where it cannot be."""
    if os.geteuid() == 0:
        return []
    program("newuidmap", package="uidmap")
    options = ["--user", "--map-auto", "--map-root-user"]
    command = [program("unshare", package="util-linux"), *options, "true"]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"{NO_USERS} unshare said: {tried.stderr.strip()}")
    return options


_handed_out: set[int] = set()


def free_port() -> int:
    """A port for a server that begins to listen a moment later, the same never twice. None of those that Linux gives
    to outgoing connections, of which one would take it meanwhile."""
    while (port := ports.choose("a server", given=None, remembered=0)) in _handed_out:
        continue
    _handed_out.add(port)
    return port
