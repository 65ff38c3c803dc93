"""What is missing on a machine is named in the reason of a skip."""

import os
from pathlib import Path

import pytest

from tests.rotation.connectors import needs


def test_a_missing_program_names_its_package() -> None:
    with pytest.raises(pytest.skip.Exception, match="apt install openssh-server"):
        needs.program("no-such-program", package="openssh-server")


def test_a_program_that_only_root_has_in_its_path_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert needs.program("sh", package="dash").endswith("/sh")


def test_an_ordinary_user_is_told_what_a_machine_with_users_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(needs, "SEARCH_PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="apt install uidmap"):
        needs.users()
    for name in ("newuidmap", "unshare"):
        (tmp_path / name).write_text("#!/bin/sh\necho no >&2; exit 1\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(pytest.skip.Exception, match=r"/etc/subuid .* or run these tests as root. unshare said: no"):
        needs.users()
