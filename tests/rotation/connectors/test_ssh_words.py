"""How the words of Linux programs are read, of which ours cannot be made to say all."""

import datetime

import pytest

from rotation.connectors.base import FailureKind, TargetError
from rotation.connectors.ssh_account import account, is_expired
from rotation.connectors.ssh_passwd import Prompt, prompt_of, refusal
from rotation.connectors.ssh_processes import parse, running
from rotation.connectors.ssh_session import fingerprint


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        ("Changing password for ana.\nCurrent password: ", Prompt.CURRENT),
        ("(current) UNIX password: ", Prompt.CURRENT),
        ("Old password:", Prompt.CURRENT),
        ("Enter login(LDAP) password: ", Prompt.CURRENT),
        ("New password: ", Prompt.NEW),
        ("Enter new UNIX password: ", Prompt.NEW),
        ("BAD PASSWORD: it is too short\nNew password: ", Prompt.NEW),
        ("Retype new password: ", Prompt.RETYPE),
        ("Retype new UNIX password:", Prompt.RETYPE),
        ("Re-enter new password: ", Prompt.RETYPE),
        ("Repeat password: ", Prompt.RETYPE),
        ("passwd: password updated successfully\n", None),
        ("Your password will expire in 3 days.\n", None),
        ("New password: \n", None),
        ("", None),
    ],
)
def test_each_prompt_is_known_by_its_end(words: str, prompt: Prompt | None) -> None:
    assert prompt_of(words) is prompt


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("BAD PASSWORD: The password is shorter than 12 characters", FailureKind.POLICY),
        ("You must choose a longer password.", FailureKind.POLICY),
        ("Password has been already used. Choose another.", FailureKind.POLICY),
        ("Bad: new password is too simple", FailureKind.POLICY),
        ("passwd: weak password", FailureKind.POLICY),
        ("You must wait longer to change your password. passwd: password unchanged", FailureKind.PERMISSION),
        ("chpasswd: cannot lock /etc/passwd; try again later.", FailureKind.UNREACHABLE),
        ("passwd: Authentication token lock busy", FailureKind.UNREACHABLE),
        ("passwd: Authentication token manipulation error", FailureKind.PERMISSION),
        ("chpasswd: cannot open /etc/shadow: Read-only file system", FailureKind.PERMISSION),
        ("", FailureKind.PERMISSION),
    ],
)
def test_each_refusal_is_handled_by_what_it_says(words: str, kind: FailureKind) -> None:
    assert refusal(words).kind is kind


def test_asking_for_another_one_without_a_word_is_a_policy_refusal() -> None:
    assert refusal("", judged=True).kind is FailureKind.POLICY


@pytest.mark.parametrize(
    ("line", "expired"),
    [
        ("Account expires\t\t\t\t\t\t: Nov 23, 2026", True),
        ("Account expires\t\t\t\t\t\t: Nov 24, 2026", True),
        ("Account expires\t\t\t\t\t\t: Nov 25, 2026", False),
        ("Account expires : 2026-11-24", True),
        ("Account expires\t\t\t\t\t\t: never", False),
        ("Password expires\t\t\t\t\t: Nov 01, 2026", False),
        ("sudo: a password is required", False),
    ],
)
def test_an_accounts_expiry_is_read_and_no_other_date(line: str, expired: bool) -> None:
    assert is_expired(["Last password change : Jan 01, 2020", line], today=datetime.date(2026, 11, 24)) is expired


ENTRY = "entry: ana:x:1004:1004:Ana,,,:/home/ana:/bin/bash"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["state: ana L 11/24/2026 0 99999 7 -1"], "locked"),
        (["state: ana LK 2026-11-24 0 99999 7 -1 (Password locked.)"], "locked"),
        (["state: ana P 11/24/2026 0 99999 7 -1"], ""),
        (["state: ana PS 2026-11-24 0 99999 7 -1 (Password set, SHA512 crypt.)"], ""),
        (["missing: /bin/gone"], "/bin/gone is missing"),
        (["denied: sudo: a password is required"], ""),
        (["passwd: unrecognized option: S"], ""),
    ],
)
def test_a_login_that_takes_no_password_is_known(lines: list[str], words: str) -> None:
    seen = account("ana", ["Welcome!", "me: 1001 eve", ENTRY, *lines])
    assert words in seen.unusable
    assert bool(seen.unusable) is bool(words)


def test_what_start_up_files_print_first_does_not_count() -> None:
    seen = account("ana", ["me: 0 root", "entry: ana:x:0:0::/:/bin/sh", "me: 1001 eve", ENTRY, "groups: ana sudo"])
    assert (seen.seer_uid, seen.seer_name, seen.uid, seen.home) == (1001, "eve", 1004, "/home/ana")
    assert seen.is_mighty
    assert seen.sudo == "sudo -n "


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["This account is currently not available."], "not available"),
        ([], "ends at once"),
        (["me: 0 root", "entry: "], "no login ana"),
        (["me: 0 root", "entry: ana:x:none:1::/:/bin/sh"], "no login ana"),
    ],
)
def test_a_login_that_cannot_be_looked_at_is_a_persons(lines: list[str], words: str) -> None:
    with pytest.raises(TargetError, match=words) as failure:
        account("ana", lines)
    assert failure.value.kind is FailureKind.PERMISSION


@pytest.mark.parametrize(
    "text", ["", "SHA256:short", "MD5:aa:bb", "ssh-ed25519", "ssh-ed25519 AAAA", "web1.example", "SHA256:" + "?" * 43]
)
def test_what_is_no_host_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="fingerprint"):
        fingerprint(text)


# The process table: our ps is 70 of sshd 60, uid 1001; ana (1004) is looked at

OURS = [
    " 1 0 1 0 Ss ? /sbin/init",
    " 10 1 10 0 Ss ? sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups",
    " 59 10 59 0 Ss ? sshd: eve [priv]",
    " 60 59 59 1001 S ? sshd: eve@notty",
    " 70 60 70 1001 Rs ? ps -ww -eo pid=,ppid=,sid=,uid=,stat=,tty=,args=",
]
ANA = [
    " 19 10 19 0 Ss ? sshd: ana [priv]",
    " 20 19 19 1004 S ? sshd: ana@pts/0",
    " 21 20 21 1004 Ss pts/0 -bash",
    " 22 1 21 1004 S ? sleep 60",
]


def seen(*rows: str, uid: int = 1004) -> tuple[int, set[int], set[int], int]:
    own, table = parse(["70", *OURS, *rows])
    found = running(own, table, uid)
    return found.connections, set(found.in_sessions), set(found.everywhere), found.others


def test_a_connection_is_counted_once_and_all_that_runs_in_it_is_found() -> None:
    assert seen(*ANA) == (1, {19, 21}, {19, 21}, 0)


def test_newer_servers_call_their_sessions_otherwise() -> None:
    rows = [row.replace("sshd: ana", "sshd-session: ana") for row in ANA]
    assert seen(*rows) == (1, {19, 21}, {19, 21}, 0)


def test_a_terminal_without_ssh_is_a_session_too() -> None:
    assert seen(" 30 5 30 1004 Ss tty1 -bash", " 31 30 30 1004 S+ tty1 vi") == (1, {30}, {30}, 0)


def test_a_service_is_none() -> None:
    assert seen(*ANA, " 40 1 40 1004 Ss ? gunicorn: master", " 41 40 40 1004 S ? gunicorn: worker") == (
        1, {19, 21}, {19, 21, 40}, 2,
    )  # fmt: skip


def test_what_somebody_calls_like_a_connection_is_ended_like_one() -> None:
    assert seen(" 50 1 50 1004 Ss ? sshd: ana@pts/7")[:2] == (1, {50})


def test_roots_processes_in_other_peoples_connections_are_not_roots_connections() -> None:
    rows = [*ANA, " 80 10 80 0 Ss ? sshd: root@pts/3", " 81 80 81 0 Ss+ pts/3 -bash", " 82 1 82 0 Ss+ tty2 agetty"]
    assert seen(*rows, uid=0)[:2] == (1, {80, 81})


def test_our_own_connection_is_spared() -> None:
    assert seen(uid=1001) == (0, set(), set(), 0)
    assert seen(" 90 1 90 1001 S pts/4 -bash", uid=1001)[:2] == (1, {90})


def test_the_dead_do_not_count() -> None:
    assert seen(" 33 1 33 1004 Zs ? [sleep] <defunct>") == (0, set(), set(), 0)


@pytest.mark.parametrize("lines", [[], ["sh: ps: not found"], ["70"], ["71", *OURS], ["70", "nonsense"]])
def test_what_is_no_process_table_is_not_taken_for_an_empty_one(lines: list[str]) -> None:
    with pytest.raises(ValueError, match="no process table"):
        parse(lines)
