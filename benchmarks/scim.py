"""`python -m benchmarks.scim`: measures Cerby's SCIM beside its peers and prints what README.md keeps.

The machine is never quiet: peers take turns, round after round, and the ratios are taken within a round.
"""

import argparse
import statistics
from collections.abc import Callable
from typing import Final

from benchmarks import lifecycle, seeding
from benchmarks.drivers import Timings
from benchmarks.report import ratios, say, spread, table
from benchmarks.servers import WEB_SERVERS, Server, Stage

Part = Callable[[argparse.Namespace], None]


def main() -> None:
    options = _options()
    for name in options.only or PARTS:
        PARTS[name](options)


def lifecycles(options: argparse.Namespace) -> None:
    """Match, create, read, PUT, PATCH off, PATCH on; us beside all peers."""
    rounds, repeats = (2, 10) if options.quick else (5, 30)
    with Stage(options.web_server) as stage:
        servers = [seeding.cerby(stage), seeding.stock(stage), seeding.bare(stage), seeding.in_memory(stage)]
        servers = [server for server in servers if not options.peers or server.name in {"cerby", *options.peers}]
        for server in servers:
            lifecycle.run(server, clients=2, repeats=5)
        for clients in (1, 8):
            say(f"lifecycle, {clients} at a time")
            repeats_each = repeats if clients == 8 else repeats * 2
            measured = _interleaved(servers, clients, repeats_each, rounds)
            _show(f"Lifecycle, {clients} at a time", measured)


def _interleaved(servers: list[Server], clients: int, repeats: int, rounds: int) -> dict[str, list[Timings]]:
    measured: dict[str, list[Timings]] = {server.name: [] for server in servers}
    for number in range(rounds):
        for server in servers if number % 2 else reversed(servers):
            measured[server.name].append(lifecycle.run(server, clients=clients, repeats=repeats))
    return measured


def _show(title: str, measured: dict[str, list[Timings]]) -> None:
    ours = [timings.per_second for timings in measured["cerby"]]
    rows = []
    for name, found in measured.items():
        rates = [timings.per_second for timings in found]
        by_operation = [
            f"{statistics.median([s for timings in found for s in timings.by_operation[operation]]) * 1000:.1f}"
            for operation in lifecycle.OPERATIONS
        ]
        rows.append([name, spread(rates), "1" if name == "cerby" else ratios(ours, rates), *by_operation])
    head = ["", "requests/s", "Cerby is", *(f"{operation}, ms" for operation in lifecycle.OPERATIONS)]
    table(title, head, rows)


PARTS: Final[dict[str, Part]] = {"lifecycle": lifecycles}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scim", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; may be given again")
    parser.add_argument("--peers", action="append", help="lifecycle beside these alone; may be given again")
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that it runs")
    parser.add_argument("--web-server", choices=WEB_SERVERS, default=WEB_SERVERS[0])
    return parser.parse_args()


if __name__ == "__main__":
    main()
