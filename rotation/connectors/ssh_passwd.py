"""The conversation with `passwd` on a terminal, and what the words of Linux password programs mean.

Prompts are asked for in English (LC_ALL=C). What counts as done is the exit status, never a sentence.
"""

import re
from enum import Enum
from typing import Final

import asyncssh

from rotation.connectors.base import FailureKind, TargetError
from rotation.connectors.secrecy import clean
from rotation.connectors.ssh_session import OUTPUT_LIMIT, Session, exit_status, unreachable

# `env`, so that a login's csh or fish takes it as well.
COMMAND: Final = "env LC_ALL=C passwd"
# Of shadow-utils, pam_unix, pam_pwquality and pam_cracklib, pam_pwhistory, and BusyBox.
_POLICY: Final = re.compile(
    r"BAD PASSWORD|bad password|choose a (longer|shorter)|too (short|long|simple|similar|weak)|palindrome|dictionary"
    r"|already used|weak password|case changes only|is (just )?rotated|not contain enough|same as the old"
)
_USED: Final = re.compile(r"already used|same as the old")
_NOT_NOW: Final = re.compile(r"lock busy|cannot lock|try again later|temporarily")
_EARLY: Final = re.compile(r"wait longer")
_RETYPE: Final = re.compile(r"(re-?type|re-?enter|again|repeat|confirm)[^\n]*: *\Z", re.IGNORECASE)
_NEW: Final = re.compile(r"new[^\n]*password[^\n]*: *\Z", re.IGNORECASE)
_CURRENT: Final = re.compile(r"password[^\n]*: *\Z", re.IGNORECASE)


class Prompt(Enum):
    """What `passwd` asks for."""

    CURRENT = "current"
    NEW = "new"
    RETYPE = "retype"


class AlreadyUsed(TargetError):
    """The server keeps a history and found the password in it. It may be the one in force."""


async def change_own(session: Session, current: str, new: str) -> None:
    """Change the password of whoever is logged in. Raises TargetError."""
    process = await session.terminal(COMMAND)
    try:
        await _Conversation(process, current, new).hold()
    except (asyncssh.Error, OSError) as error:
        raise unreachable(error, current, new) from None
    finally:
        process.close()


class _Conversation:
    """Each prompt gets its answer once. One that comes again, or out of turn, says that the answer was refused."""

    def __init__(self, process: "asyncssh.SSHClientProcess[bytes]", current: str, new: str) -> None:
        self._process, self._current, self._new = process, current, new
        self._answered: list[Prompt] = []
        self._words = ""

    async def hold(self) -> None:
        listened = 0
        while listened < OUTPUT_LIMIT and (heard := await self._process.stdout.read(4096)):
            listened += len(heard)
            self._words += heard.decode(errors="replace").replace("\r", "")
            if prompt := prompt_of(self._words):
                self._answer(prompt)
        await self._process.wait_closed()
        if exit_status(self._process) != 0:
            raise self._refused()

    def _answer(self, prompt: Prompt) -> None:
        if prompt in self._answered or Prompt.RETYPE in self._answered:
            raise self._refused()
        self._answered.append(prompt)
        self._words = ""
        answer = self._current if prompt is Prompt.CURRENT else self._new
        self._process.stdin.write(f"{answer}\n".encode())

    def _refused(self) -> TargetError:
        words = clean(self._words, self._current, self._new)
        if Prompt.NEW in self._answered:
            return refusal(words, judged=True)
        if Prompt.CURRENT in self._answered and not (_EARLY.search(words) or _NOT_NOW.search(words)):
            return TargetError(FailureKind.AUTHENTICATION, f"passwd rejected the present password: {words}")
        return refusal(words)


def prompt_of(words: str) -> Prompt | None:
    """What is being asked for at the end of these words."""
    found = ((_RETYPE, Prompt.RETYPE), (_NEW, Prompt.NEW), (_CURRENT, Prompt.CURRENT))
    return next((prompt for pattern, prompt in found if pattern.search(words)), None)


def refusal(words: str, *, judged: bool = False) -> TargetError:
    """Why `passwd` or `chpasswd` failed. `judged`: it had the new password and asked for another one."""
    said = f"The server refused the new password: {words or 'it does not say why'}"
    if _NOT_NOW.search(words):
        return TargetError(FailureKind.UNREACHABLE, f"The server could not set the password now: {words}")
    if _USED.search(words) and not _EARLY.search(words):
        return AlreadyUsed(FailureKind.POLICY, said)
    if (_POLICY.search(words) and not _EARLY.search(words)) or (judged and not words):
        return TargetError(FailureKind.POLICY, said)
    return TargetError(FailureKind.PERMISSION, f"The server did not set the password: {words or 'no reason given'}")
