"""`python -m benchmarks.rotation`: how fast departures are answered and passwords changed, and what README.md keeps."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Final

import django
import psycopg

from benchmarks import bodies, running, seeding
from benchmarks.drivers import timed
from benchmarks.report import finding, pairs, ratios, spread, table
from benchmarks.servers import Server, Stage, children_of, memory_of

if TYPE_CHECKING:
    from uuid import UUID

    from benchmarks.logins import Estate

ACCOUNTS: Final = (0, 1, 100, 10_000)
CONCURRENCY: Final = 4
"""Of the worker and of a target: the defaults."""
WAIT_SECONDS: Final = 1800


def main() -> None:
    options = _options()
    running.leave_when_ended()
    with Stage() as stage:
        server = seeding.cerby(stage, people=10)
        os.environ.update(stage.environment(server.database_url), DJANGO_SETTINGS_MODULE="cerby.settings")
        django.setup()
        from benchmarks.logins import Estate  # its models need the settings

        estate = Estate(stage.addresses)
        parts = {name: partial(PARTS[name], stage, server, estate, options) for name in options.only or PARTS}
        running.run(parts, options.report, "Departures and rotations")


def departures(_: Stage, server: Server, estate: "Estate", options: argparse.Namespace) -> None:
    """The answer to Okta's deactivation of people with some, many and no accounts, by turns."""
    rounds = 2 if options.quick else 7
    ids = estate.accounts({f"seeded{number}": token_hex(16) for number in range(max(ACCOUNTS))})
    found: dict[int, list[float]] = {number: [] for number in ACCOUNTS}
    for turn in range(rounds + 1):
        for number in ACCOUNTS:
            estate.forget()
            user = estate.leaver(ids[:number])
            seconds = timed(partial(deactivate, server, user.pk))
            if turn:
                found[number].append(seconds)
    estate.forget()
    rows = [
        [f"{number:,}", spread([value * 1000 for value in found[number]], digits=1), _dearer(found[number], found[0])]
        for number in ACCOUNTS
    ]
    most = [value * 1000 for value in found[max(ACCOUNTS)]]
    what = f"answer to the deactivation of a person with {max(ACCOUNTS):,} accounts"
    finding(what, most, wanted=1000, at_most=True, unit=" ms", digits=0)
    table("SCIM deactivation of one person", ["accounts", "ms", "costs"], rows)


def deactivate(server: Server, user_id: "UUID") -> None:
    body = bodies.switch(active=False)
    server.connection.request("PATCH", f"{server.base}/Users/{user_id}", body, expected=(200, 204))


def rotations(stage: Stage, server: Server, estate: "Estate", options: argparse.Namespace) -> None:
    """From a deactivation to all passwords dead and verified, beside the bare loop; then memory as it goes on."""
    from benchmarks.logins import bare_loop, create_roles

    number, rounds = (50, 2) if options.quick else (options.roles, 3)
    ours = {f"ours{token_hex(4)}_{each}": token_hex(16) for each in range(number)}
    bare = {f"bare{token_hex(4)}_{each}": token_hex(16) for each in range(number)}
    create_roles(stage.addresses, ours | bare)
    ids = estate.accounts(ours)
    worker = _start_workers(stage, server)
    rates: dict[str, list[float]] = {"bare": [], "cerby": []}
    leave(server, estate, ids[:20])  # what is loaded once is loaded
    samples = [_memory(worker)]
    for _ in range(rounds):
        seconds, bare = bare_loop(stage.addresses, bare, clients=CONCURRENCY)
        rates["bare"].append(number / seconds)
        rates["cerby"].append(number / leave(server, estate, ids))
        samples.append(_memory(worker))
    rows = [[name, spread(found, digits=1), ratios(found, rates["bare"])] for name, found in rates.items()]
    more = pairs(rates["cerby"], rates["bare"])
    finding(f"rotations of {number:,} PostgreSQL roles a second, against the bare loop", more, wanted=0.7)
    table(f"{number:,} PostgreSQL roles, {CONCURRENCY} at a time", ["", "rotations/s", "of the bare loop"], rows)
    _go_on(server, estate, ids, worker, samples, options)


def _go_on(
    server: Server, estate: "Estate", ids: "list[UUID]", worker: int, samples: list[float], options: argparse.Namespace
) -> None:
    """Departure after departure, up to so many rotations or for so long."""
    end, wanted = time.monotonic() + options.memory_seconds, 10_000
    while (len(samples) - 1) * len(ids) < wanted and time.monotonic() < end and not options.quick:
        leave(server, estate, ids)
        samples.append(_memory(worker))
    what = f"worker's memory after {(len(samples) - 1) * len(ids):,} rotations, against before"
    finding(what, [samples[-1] / samples[0]], wanted=1.05, at_most=True)
    rows = [[f"{turn * len(ids):,}", f"{mib:.1f}"] for turn, mib in enumerate(samples)]
    table("Memory of the worker's processes", ["rotations", "MiB"], rows)


def leave(server: Server, estate: "Estate", ids: "list[UUID]") -> float:
    """Seconds from the deactivation of somebody with these accounts until nothing they knew is alive."""
    user = estate.leaver(ids)
    begun = time.perf_counter()
    deactivate(server, user.pk)
    _await_dead(server)
    return time.perf_counter() - begun


def _await_dead(server: Server) -> None:
    end = time.monotonic() + WAIT_SECONDS
    with psycopg.connect(server.database_url, autocommit=True) as connection:
        while time.monotonic() < end:
            open_ones = connection.execute("SELECT 1 FROM rotation_exposure WHERE closed_at IS NULL LIMIT 1")
            if open_ones.fetchone() is None:
                return
            time.sleep(0.1)
    raise RuntimeError("The rotations do not come to an end.")


def _start_workers(stage: Stage, server: Server) -> int:
    """The worker and the sweep as in the Procfile; the worker's process id."""
    celery = ["-m", "celery", "--app", "cerby.celery", "--quiet", "worker", "--without-gossip", "--without-mingle"]
    limits = {"CERBY_WORKER_CONCURRENCY": str(CONCURRENCY), "CERBY_TARGET_CONCURRENCY": str(CONCURRENCY)}
    for name, arguments in (("sweep", ["manage.py", "sweep"]), ("worker", celery)):
        log = stage.home / f"{name}.log"
        process = stage.spawn([sys.executable, *arguments], log, server.database_url, **limits)
    return process.pid


def _memory(worker: int) -> float:
    """MiB of the worker and its children."""
    return sum(memory_of([worker, *children_of(worker)]).values()) / 1024


def profile(stage: Stage, _: Server, estate: "Estate", options: argparse.Namespace) -> None:
    """Where a worker's time goes: one process, one rotation after the other."""
    from benchmarks.logins import create_roles
    from benchmarks.profiles import profiled

    number = 20 if options.quick else 200
    roles = {f"profiled{token_hex(4)}_{each}": token_hex(16) for each in range(number)}
    create_roles(stage.addresses, roles)
    table(f"Where {number} rotations spend their time", ["", "ms each", "share"], profiled(estate, roles))


def _dearer(seconds: list[float], none: list[float]) -> str:
    return ratios(none, seconds, better_is_more=False)


Part = Callable[[Stage, Server, "Estate", argparse.Namespace], None]
PARTS: Final[dict[str, Part]] = {"departures": departures, "rotations": rotations, "profile": profile}


def _options() -> argparse.Namespace:
    parser = running.options("rotation", __doc__.splitlines()[0], PARTS)
    parser.add_argument("--roles", type=int, default=1_000, help="how many PostgreSQL roles rotate at a time")
    parser.add_argument("--memory-seconds", type=float, default=600, help="the longest that memory is watched")
    return parser.parse_args()


if __name__ == "__main__":
    main()
