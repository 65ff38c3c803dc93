"""What depends on how many there are: pages of a list, members of a team, growth to a million, memory."""

import itertools
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from benchmarks import bodies
from benchmarks.drivers import Connection, timed
from benchmarks.seeding import Team, person_id
from benchmarks.servers import Server, memory_of

PAGE: Final = 100
SAMPLED_EVERY: Final = 5_000
"""After so many people an import's worker memory is looked at."""
_dice: Final = random.Random(20)  # noqa: S311  # the same questions in every run

Samples = dict[str, list[float]]
Act = Callable[[], Any]


def side_by_side(acts: Mapping[str, Act], rounds: int, *, warm: int = 2) -> Samples:
    """Seconds of each act, taking turns; the order is turned round each time."""
    for act in acts.values():
        for _ in range(warm):
            act()
    found: Samples = {name: [] for name in acts}
    for number in range(rounds):
        names = list(acts)
        for name in names if number % 2 else reversed(names):
            found[name].append(timed(acts[name]))
    return found


def page(server: Server, people: int, *, where: str = "anywhere") -> Act:
    """A read of a page of 100 at the start, in the middle, at the end or anywhere."""
    connection, last = server.connection, people - PAGE + 1
    starts = {"start": (1, 1), "middle": (people // 2, people // 2), "end": (last, last)}
    least, most = starts.get(where, (1, last))

    def act() -> None:
        start = _dice.randint(least, most)
        answer = connection.request("GET", f"{server.base}/Users?startIndex={start}&count={PAGE}")
        assert answer.count(b"userName") == PAGE, answer[:300]

    return act


def match(server: Server, people: int) -> Act:
    """Okta's question for a person who is known."""
    connection = server.connection

    def act() -> None:
        name = f"Person{_dice.randint(1, people)}@example.com"
        answer = connection.request("GET", bodies.match(f"{server.base}/Users", name))
        assert answer.count(b'"userName"') == 1, answer[:300]

    return act


def adding(server: Server, team: Team, numbers: range) -> Iterator[Act]:
    """Acts by turns: these people join the team in one PATCH, then they leave it again."""
    connection, address = server.connection, f"{server.base}/Groups/{team.id}"
    identifiers = [person_id(server, number) for number in numbers]
    for body in itertools.cycle((bodies.add_members(identifiers), bodies.remove_members(identifiers))):
        yield lambda body=body: connection.request("PATCH", address, body, expected=(200, 204))  # type: ignore[misc]


def joins(servers: Mapping[Server, Team], numbers: range, rounds: int) -> Samples:
    """Seconds until these people have joined each server's team; they leave again untimed."""
    return joins_of(servers, dict.fromkeys(servers, numbers), rounds)


def joins_of(servers: Mapping[Server, Team], numbers: Mapping[Server, range], rounds: int) -> Samples:
    """The same where each server has other people to join."""
    turns = {server: adding(server, team, numbers[server]) for server, team in servers.items()}
    found: Samples = {server.name: [] for server in servers}
    for number in range(rounds + 1):
        for server, acts in turns.items():
            seconds = timed(next(acts))
            next(acts)()
            if number:
                found[server.name].append(seconds)
    return found


def whole_team(server: Server, team: Team) -> Act:
    """A read of a team with all its members."""
    connection, expected = server.connection, team.members

    def act() -> None:
        answer = connection.request("GET", f"{server.base}/Groups/{team.id}")
        assert answer.count(b'"$ref"') == expected, answer[:300]

    return act


def imported(server: Server, people: int, *, seconds: float) -> tuple[int, float, list[tuple[int, int]]]:
    """Read everybody as Okta's import does, for at most so long.

    Returns how many were read, the seconds, and the workers' memory as it went: (people read, KiB).
    """
    connection: Connection = server.connection
    memory, read, start = [(0, _memory(server))], 0, time.monotonic()
    while read < people and time.monotonic() - start < seconds:
        answer = connection.request("GET", f"{server.base}/Users?startIndex={read + 1}&count={PAGE}")
        read += json.loads(answer)["itemsPerPage"]
        if read % SAMPLED_EVERY == 0:
            memory.append((read, _memory(server)))
    return read, time.monotonic() - start, memory


def _memory(server: Server) -> int:
    return sum(memory_of(server.workers()).values())
