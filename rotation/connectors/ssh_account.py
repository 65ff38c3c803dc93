"""What a Linux machine says about one of its logins, asked in one go: commands cost a round trip and a process each."""

import datetime
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rotation.connectors.base import FailureKind, TargetError
from rotation.connectors.secrecy import clean
from rotation.connectors.ssh_session import Session

# $1 is the login. A start-up file of whoever is logged in may print things before all this. The last two need root.
_ASK: Final = """
me=$(id -u); echo "me: $me $(id -un)"
entry=$(getent passwd "$1"); echo "entry: $entry"
shell=${entry##*:}; [ -z "$shell" ] || [ -x "$shell" ] || echo "missing: $shell"
echo "groups: $(id -Gn "$1")"
"""
_ASK_STATE: Final = """
LC_ALL=C; export LC_ALL; sudo="sudo -n"; [ "$me" = 0 ] && sudo=
state=$($sudo passwd -S "$1" 2>&1) && echo "state: $state" || echo "denied: $state"
$sudo chage -l "$1"
"""
_LINES: Final = r'grep -cE "^[[:space:]]*[^#[:space:]]"'
# $1 is the home folder, $2 what `crontab` is told beside -l.
_COUNT: Final = f"""
echo "keys: $(cat "$1"/.ssh/authorized_keys "$1"/.ssh/authorized_keys2 2>/dev/null | {_LINES})"
echo "jobs: $(crontab -l $2 2>/dev/null | {_LINES})"
"""
_MIGHTY: Final = frozenset({"root", "sudo", "wheel", "admin", "docker", "lxd"})


@dataclass(frozen=True)
class LinuxAccount:
    """A login, seen by `seer_uid`."""

    name: str
    uid: int
    home: str
    groups: frozenset[str]
    seer_uid: int
    seer_name: str
    denied: str
    """Why its state could not be seen."""
    unusable: str
    """Why it takes no password at all; empty where it takes one, or that cannot be seen."""

    @property
    def is_mighty(self) -> bool:
        """Whether it is root or may become root."""
        return self.uid == 0 or not self.groups.isdisjoint(_MIGHTY)

    @property
    def is_its_own(self) -> bool:
        return self.seer_name == self.name

    @property
    def sudo(self) -> str:
        """What commands about this login begin with."""
        return "" if self.seer_uid == 0 or self.is_its_own else "sudo -n "


async def look(session: Session, name: str, *, state: bool = False) -> LinuxAccount:
    """The login as the session sees it; `state` asks whether it takes a password, which only root may know.

    Raises TargetError PERMISSION when there is no such login, or the session's own login has no shell to ask with.
    """
    lines = await session.lines(script(_ASK + (_ASK_STATE if state else ""), name))
    return account(name, lines)


def account(name: str, lines: Sequence[str]) -> LinuxAccount:
    """What the lines say about the login. Raises TargetError as `look` does."""
    found = dict(line.partition(": ")[::2] for line in lines)
    me = re.fullmatch(r"(\d+) (\S+)", found.get("me", ""))
    if me is None:
        words = clean(" ".join(lines)) or "it ends at once"
        raise TargetError(FailureKind.PERMISSION, f"The server gives this login no shell to work in: {words}")
    entry = found.get("entry", "").split(":")
    if len(entry) != 7 or not entry[2].isdecimal():
        raise TargetError(FailureKind.PERMISSION, f"There is no login {name} on this server.")
    return LinuxAccount(
        name=name, uid=int(entry[2]), home=entry[5], groups=frozenset(found.get("groups", "").split()),
        seer_uid=int(me[1]), seer_name=me[2], denied=clean(found.get("denied", "")), unusable=_unusable(found, lines),
    )  # fmt: skip


def _unusable(found: dict[str, str], lines: Sequence[str]) -> str:
    if shell := found.get("missing"):
        return f"Its shell {clean(shell)} is missing"
    if found.get("state", "").split()[1:2] in (["L"], ["LK"]):
        return "It is locked"
    return "It has expired" if is_expired(lines) else ""


def is_expired(lines: Sequence[str], *, today: datetime.date | None = None) -> bool:
    """Whether `chage -l`, in English, says that the login's time is over."""
    words = "\n".join(lines)
    found = re.search(r"^Account expires\s*:\s*(\w{3} \d{2}, \d{4}|\d{4}-\d{2}-\d{2})\s*$", words, re.MULTILINE)
    if not found:
        return False
    form = "%b %d, %Y" if "," in found[1] else "%Y-%m-%d"
    expires = datetime.datetime.strptime(found[1], form).replace(tzinfo=datetime.UTC).date()
    return expires <= (today or datetime.datetime.now(datetime.UTC).date())


async def left_behind(session: Session, name: str) -> list[str] | None:
    """Keys and timed jobs that let somebody in after a change, in sentences. None where they are not to be seen."""
    seen = await look(session, name)
    if not (seen.seer_uid == 0 or seen.is_its_own):
        return None
    lines = await session.lines(script(_COUNT, seen.home, f"-u {name}" if seen.seer_uid == 0 else ""))
    found = dict(line.partition(": ")[::2] for line in lines)
    keys, jobs = (int(count) if (count := found.get(key, "")).isdecimal() else 0 for key in ("keys", "jobs"))
    sentences = []
    if keys:
        sentences.append(f"{keys} key(s) in authorized_keys still let somebody in as {name}: remove those not known.")
    if jobs:
        sentences.append(f"The crontab of {name} has {jobs} line(s), which run on: look at them.")
    return sentences


def script(text: str, *arguments: str) -> str:
    """A command that runs `text` in sh, whatever the login's own shell is."""
    # A csh would take “!” and line ends for its own even within quotes, so there are none of them in what it reads.
    one_line = "; ".join(line.strip() for line in text.splitlines() if line)
    return " ".join(("sh -c", shlex.quote(one_line), "sh", *map(shlex.quote, arguments)))
