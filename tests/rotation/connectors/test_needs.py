"""What is missing on a machine is named in the reason of a skip."""

import os

import pytest

from tests.rotation.connectors import needs


def test_a_missing_program_names_its_package() -> None:
    with pytest.raises(pytest.skip.Exception, match="apt install openssh-server"):
        needs.program("no-such-program", package="openssh-server")


def test_a_program_that_only_root_has_in_its_path_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert needs.program("sh", package="dash").endswith("/sh")


def test_an_ordinary_user_is_told_that_root_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(pytest.skip.Exception, match="only root can make users"):
        needs.root("make users")
