"""An old PostgreSQL is refused with a sentence before anything is migrated."""

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from cerby import checks


@pytest.mark.parametrize("version", [150000, 160014, 180004])
def test_a_new_enough_server_is_taken(version: int) -> None:
    assert not checks.judged(version)


def test_an_old_server_is_refused_with_what_to_do() -> None:
    (error,) = checks.judged(140013)
    assert "PostgreSQL 14.13" in error.msg
    assert "PostgreSQL 15 or newer" in str(error.hint)


@pytest.mark.django_db
def test_the_check_asks_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    call_command("check", databases=["default"])
    monkeypatch.setattr(checks, "LEAST_POSTGRESQL", 99)
    with pytest.raises(SystemCheckError, match="is too old"):
        call_command("check", databases=["default"])
