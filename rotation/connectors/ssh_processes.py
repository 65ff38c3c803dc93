"""What a login has running on a Linux machine, from the table that `ps` prints, and which of it are its sessions.

A connection over SSH is an `sshd` process of the login's own with everything below it. Linux keeps what was started
there in kernel sessions (setsid(2)), so those are what is ended: a process that was left behind by its parent is still
in one. What has none of a connection's sessions and no terminal is a service, or was put there to stay.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# The shell's own number first, then the table: the `ps` that takes the shell's place shows where we are in it.
COMMAND: Final = "sh -c 'echo $$; exec ps -ww -eo pid=,ppid=,sid=,uid=,stat=,tty=,args='"
_ROW: Final = re.compile(r"\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s*(.*)")
_SSHD: Final = re.compile(r"sshd(-session)?: [^\s@]+(@\S+)?")  # not “[priv]” and not “[listener]”, which are root's


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    session: int
    uid: int
    terminal: str
    title: str

    @property
    def is_connection(self) -> bool:
        """Whether it is sshd at work for the login (since OpenSSH 9.8 called sshd-session)."""
        return _SSHD.fullmatch(self.title) is not None


@dataclass(frozen=True)
class Running:
    """A login's processes, our own connection's apart."""

    connections: int
    """How many connections and terminals people hold."""
    in_sessions: frozenset[int]
    """The kernel sessions that belong to those."""
    everywhere: frozenset[int]
    """The kernel sessions of all its processes."""
    others: int
    """How many processes belong to no connection or terminal."""


def parse(lines: Iterable[str]) -> tuple[int, list[Process]]:
    """Our own process id and the table. Raises ValueError for what `COMMAND` does not write."""
    numbers = [line.strip() for line in lines]
    start = next((at for at, line in enumerate(numbers) if line.isdecimal()), None)
    if start is None:
        raise ValueError("no process table")
    rows = [row for line in numbers[start + 1 :] if (row := _ROW.fullmatch(line))]
    table = [
        Process(int(row[1]), int(row[2]), int(row[3]), int(row[4]), row[6], row[7])
        for row in rows if not row[5].startswith("Z")
    ]  # fmt: skip
    own = int(numbers[start])
    if own not in {process.pid for process in table}:
        raise ValueError("no process table")
    return own, table


def running(own: int, table: Iterable[Process], uid: int) -> Running:
    """What `uid` has running. Root's terminals may be other administrators', so of root only connections count."""
    by_pid = {process.pid: process for process in table}
    spared = {process.session for process in _line_of(own, by_pid)}
    mine = [process for process in by_pid.values() if process.uid == uid and process.session not in spared]
    connections = [process for process in mine if process.is_connection]
    over_ssh = {process.session for process in _below({process.pid for process in connections}, by_pid)}
    terminals = {process.session for process in mine if process.terminal != "?" and uid != 0} - over_ssh
    inside = over_ssh | terminals
    return Running(
        connections=len(connections) + len(terminals),
        in_sessions=frozenset(process.session for process in mine if process.session in inside),
        everywhere=frozenset(process.session for process in mine),
        others=sum(process.session not in inside for process in mine),
    )


def _line_of(pid: int, by_pid: dict[int, Process]) -> list[Process]:
    """A process and its ancestors, without the first of all."""
    found: list[Process] = []
    while (process := by_pid.get(pid)) and process.pid != 1 and process not in found:
        found.append(process)
        pid = process.parent
    return found


def _below(pids: set[int], by_pid: dict[int, Process]) -> list[Process]:
    """These processes and all their descendants."""
    return [process for process in by_pid.values() if not pids.isdisjoint(_pids(_line_of(process.pid, by_pid)))]


def _pids(processes: Iterable[Process]) -> set[int]:
    return {process.pid for process in processes}
