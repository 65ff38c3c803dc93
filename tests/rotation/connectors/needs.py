"""What a test needs of this machine. What is missing is named in the reason of a skip, with the package to install."""

import os
import shutil
import socket

import pytest

# Debian keeps servers here, and an ordinary user's PATH does not.
SEARCH_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"


def program(name: str, *, package: str) -> str:
    """The path of a program; without it the test is skipped."""
    found = shutil.which(name, path=SEARCH_PATH)
    if found is None:
        pytest.skip(f"{name} is not installed; on Debian: apt install {package}")
    return found


def root(why: str) -> None:
    """Skips the test unless it runs as root."""
    if os.geteuid() != 0:
        pytest.skip(f"only root can {why}; run these tests as root")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
