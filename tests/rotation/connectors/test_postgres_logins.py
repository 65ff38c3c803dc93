"""How a PostgreSQL login's end is read, for what our own server cannot be made to say."""

import pytest

from rotation.connectors.base import FailureKind, TargetError, validated
from rotation.connectors.postgres import Postgres
from tests.rotation.connectors.scripted import (
    AUTHENTICATION_OK,
    CLEARTEXT_PASSWORD,
    MD5_PASSWORD,
    ScriptedPostgres,
    authentication,
    fatal,
)
from tests.waiting import PATIENCE
from workspace.crypto import Secret

PASSWORD = Secret("the-password")
ASK, OK = authentication(MD5_PASSWORD), authentication(AUTHENTICATION_OK)


def verify(server: ScriptedPostgres, *, sslmode: str = "disable") -> bool:
    settings = validated(Postgres, {"host": "127.0.0.1", "port": server.port, "sslmode": sslmode})
    return Postgres(settings, "app", timeout=PATIENCE).verify(PASSWORD)


@pytest.mark.parametrize("severity", ["FATAL", "ФАТАЛЬНО", "致命错误", "SCHWERWIEGEND"])
def test_a_wrong_password_is_known_by_its_code_in_every_language(severity: str) -> None:
    with ScriptedPostgres(ASK, fatal("28P01", "x: 28000: nein", severity=severity)) as server:
        assert verify(server) is False


@pytest.mark.parametrize("state", ["53300", "57P03", "57P01", "08004"])
def test_a_server_that_is_full_or_starting_has_judged_nothing(state: str) -> None:
    with ScriptedPostgres(fatal(state, "not now")) as server, pytest.raises(TargetError, match=state) as failure:
        verify(server)
    assert failure.value.kind is FailureKind.UNREACHABLE


@pytest.mark.parametrize("state", ["53300", "57P01", "57014"])
def test_a_server_that_gives_up_over_the_password_has_judged_nothing(state: str) -> None:
    with ScriptedPostgres(ASK, fatal(state, "not now")) as server, pytest.raises(TargetError, match=state) as failure:
        verify(server)
    assert failure.value.kind is FailureKind.UNREACHABLE


@pytest.mark.parametrize("state", ["53300", "57P01", "28000", "3D000", "42501"])
def test_after_the_servers_ok_the_password_was_right_whatever_follows(state: str) -> None:
    with ScriptedPostgres(ASK, OK + fatal(state, "but")) as server:
        assert verify(server) is True


def test_a_refusal_of_the_place_we_come_from_is_not_about_the_password() -> None:
    refusal = fatal("28000", "no pg_hba.conf entry")
    with ScriptedPostgres(refusal) as server, pytest.raises(TargetError, match="28000") as failure:
        verify(server)
    assert failure.value.kind is FailureKind.PERMISSION


@pytest.mark.parametrize("answers", [(), (ASK,), (b"HTTP/1.1 400 Bad Request\r\n\r\n",), (ASK, b"\x00" * 64)])
def test_a_server_that_hangs_up_or_talks_nonsense_is_unreachable(answers: tuple[bytes, ...]) -> None:
    with ScriptedPostgres(*answers) as server, pytest.raises(TargetError) as failure:
        verify(server)
    assert failure.value.kind is FailureKind.UNREACHABLE


def test_a_plain_text_password_is_never_sent() -> None:
    with ScriptedPostgres(authentication(CLEARTEXT_PASSWORD), OK) as server:
        with pytest.raises(TargetError, match="plain text"):
            verify(server)
        assert PASSWORD.reveal().encode() not in server.received
        assert b"app" in server.received


@pytest.mark.parametrize("garbage", [b"", fatal("28000", "late"), b"junk junk junk"])
def test_a_server_that_lets_everybody_in_proves_nothing(garbage: bytes) -> None:
    with ScriptedPostgres(OK + garbage) as server, pytest.raises(TargetError, match=r"pg_hba\.conf") as failure:
        verify(server)
    assert failure.value.kind is FailureKind.PERMISSION


def test_an_unencrypted_second_try_does_not_cover_up_the_rejection() -> None:
    """libpq with sslmode=prefer: here the server has no TLS, so there is one try, and its code is what counts."""
    with ScriptedPostgres(b"N", ASK, fatal("28P01", "no")) as server:
        assert verify(server, sslmode="prefer") is False
