"""`python -m benchmarks.scim`: measures Cerby's SCIM beside its peers, and writes down what README.md keeps.

The machine is never quiet: peers take turns, round after round, and the ratios are taken within a round.
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Final

from benchmarks import lifecycle, running, seeding, sizes
from benchmarks.drivers import Timings
from benchmarks.report import finding, pairs, ratios, say, spread, table
from benchmarks.servers import WEB_SERVERS, Server, Stage

Part = Callable[[argparse.Namespace], None]


def main() -> None:
    options = _options()
    running.leave_when_ended()
    names = options.only or [*PARTS]
    if "growth" in names:  # a million people are seeded there anyway, and memory is measured over them
        names = [name for name in names if name != "memory"]
    running.run({name: partial(PARTS[name], options) for name in names}, options.report, "SCIM")


def lifecycles(options: argparse.Namespace) -> None:
    """Match, create, read, PUT, PATCH off, PATCH on; us beside all peers."""
    rounds, repeats = (2, 10) if options.quick else (5, 30)
    with Stage(options.web_server) as stage:
        stock = seeding.stock(stage)
        servers = [
            *(seeding.cerby(stage), stock, seeding.stock_as_started(stage, stock)),
            *(seeding.bare(stage), seeding.in_memory(stage)),
        ]
        servers = [server for server in servers if not options.peers or server.name in {"cerby", *options.peers}]
        for server in servers:
            lifecycle.run(server, clients=2, repeats=5)
        for clients in (1, 8):
            say(f"lifecycle, {clients} at a time")
            repeats_each = repeats if clients == 8 else repeats * 2
            measured = _interleaved(servers, clients, repeats_each, rounds)
            _show(f"Lifecycle, {clients} at a time", measured)
        _find_lifecycle(measured)


def _find_lifecycle(measured: dict[str, list[Timings]]) -> None:
    """Ratios to what is wanted of the last measurement, 8 at a time."""
    rates = {name: [timings.per_second for timings in found] for name, found in measured.items()}
    for name, wanted in (("stock-as-started", 2.5), ("stock", 2.5), ("floor", 0.6)):
        if name in measured:
            finding(f"lifecycle, 8 at a time, against {name}", pairs(rates["cerby"], rates[name]), wanted=wanted)
    if "floor" in measured:
        costs = {name: [timings.processors_ms for timings in measured[name]] for name in ("cerby", "floor")}
        finding(
            "the same against floor, by the processors' time",
            pairs(costs["cerby"], costs["floor"], better_is_more=False), wanted=0.6,
        )  # fmt: skip


def _interleaved(servers: list[Server], clients: int, repeats: int, rounds: int) -> dict[str, list[Timings]]:
    measured: dict[str, list[Timings]] = {server.name: [] for server in servers}
    for number in range(rounds):
        for server in servers if number % 2 else reversed(servers):
            measured[server.name].append(lifecycle.run(server, clients=clients, repeats=repeats))
    return measured


def _show(title: str, measured: dict[str, list[Timings]], first: str = "cerby") -> None:
    ours = [timings.per_second for timings in measured[first]]
    rows = []
    for name, found in measured.items():
        rates = [timings.per_second for timings in found]
        by_operation = [
            f"{statistics.median([s for timings in found for s in timings.by_operation[operation]]) * 1000:.1f}"
            for operation in lifecycle.OPERATIONS
        ]
        rate = [spread(rates), "1" if name == first else ratios(ours, rates)]
        rows.append([name, *rate, *_processors(found), *by_operation])
    processors = ["web server, ms of CPU", "PostgreSQL, ms of CPU"]
    medians = [f"{operation}, ms" for operation in lifecycle.OPERATIONS]
    head = ["", "requests/s", f"{first} is", *processors, *medians]
    table(title, head, rows)


def _processors(found: list[Timings]) -> list[str]:
    """What a request costs the web server and PostgreSQL."""
    web = statistics.median(timings.web / timings.requests for timings in found)
    database = statistics.median(timings.database / timings.requests for timings in found)
    return [f"{web * 1000:.2f}", f"{database * 1000:.2f}" if database else ""]


def web_servers(options: argparse.Namespace) -> None:
    """Cerby's lifecycle behind each web server; granian takes part where it is installed."""
    rounds, repeats = (2, 10) if options.quick else (5, 30)
    kinds = [kind for kind in WEB_SERVERS if kind != "granian" or find_spec("granian")]
    with Stage() as stage:
        first = seeding.cerby(stage)
        servers = [first, *(_beside_it(stage, first, kind) for kind in kinds[1:])]
        for clients in (1, 8):
            measured = _interleaved(servers, clients, repeats, rounds)
            named = {kind: measured[server.name] for kind, server in zip(kinds, servers, strict=True)}
            _show(f"Web servers, {clients} at a time", named, "gthread")


def _beside_it(stage: Stage, server: Server, kind: str) -> Server:
    """Another web server before the same application and database."""
    return stage.serve(kind, "cerby.wsgi", database_url=server.database_url, token=server.token, web_server=kind)


def lists(options: argparse.Namespace) -> None:
    """Pages of 100 of many people, beside stock django-scim2."""
    people, rounds = (2_000, 5) if options.quick else (10_000, 15)
    with Stage(options.web_server) as stage:
        servers = [seeding.cerby(stage, people=people), seeding.stock(stage, people=people)]
        found = sizes.side_by_side({server.name: sizes.page(server, people) for server in servers}, rounds)
        _beside(f"A page of 100 of {people:,} people, anywhere in the list", found, wanted=15)


def members(options: argparse.Namespace) -> None:
    """1,000 members in one PATCH, and one member into a large team, beside stock django-scim2."""
    people, rounds = (2_000, 3) if options.quick else (10_000, 7)
    with Stage(options.web_server) as stage:
        servers = [seeding.cerby(stage, people=people + 1), seeding.stock(stage, people=people + 1)]
        empty = {server: seeding.team(server, 0, name="Empty") for server in servers}
        _beside("1,000 members added in one PATCH", sizes.joins(empty, range(1, 1001), rounds), wanted=8)
        full = {server: seeding.team(server, people) for server in servers}
        found = sizes.joins(full, range(people + 1, people + 2), rounds)
        _beside(f"One member added to a team of {people:,}", found, wanted=20)


_QUESTIONS: Final[dict[str, Callable[[Server, int], sizes.Act]]] = {
    "match by userName": sizes.match,
    "page of 100, start": partial(sizes.page, where="start"),
    "page of 100, middle": partial(sizes.page, where="middle"),
    "page of 100, end": partial(sizes.page, where="end"),
}


def growth(options: argparse.Namespace) -> None:
    """What a large company pays more than a small one, each with a server of its own; and a whole large team."""
    small, rounds = 1_000, 10 if options.quick else 40
    large, crowd = (50_000, 5_000) if options.quick else (1_000_000, 100_000)
    with Stage(options.web_server) as stage:
        companies = {
            seeding.cerby(stage, people=people, name=name): people
            for people, name in ((small, "small"), (large, "large"))
        }
        teams = {server: seeding.team(server, min(people, crowd)) for server, people in companies.items()}
        rows = []
        for what, act in _QUESTIONS.items():
            acts = {server.name: act(server, people) for server, people in companies.items()}
            rows.append(_grown(what, sizes.side_by_side(acts, rounds)))
        newcomers = {server: seeding.newcomer(server) for server in companies}
        found = sizes.joins_of(teams, newcomers, rounds)
        rows.append(_grown(f"one member into a team of {small:,} / {crowd:,}", found))
        table(f"{small:,} people against {large:,}", ["", "small, ms", "large, ms", "large costs"], rows)
        of_many = next(server for server in companies if server.name == "large")
        _whole_team(stage, of_many, large, crowd, rounds // 4)
        if not options.only or "memory" in options.only:
            _import(of_many, large, options)


def _whole_team(stage: Stage, server: Server, people: int, crowd: int, rounds: int) -> None:
    """Beside the floor, where the database builds the JSON and a bare view sends it."""
    bare = seeding.bare(stage, people=people)
    acts = {each.name: sizes.whole_team(each, seeding.team(each, crowd, name="Read")) for each in (server, bare)}
    found = sizes.side_by_side(acts, rounds)
    more = pairs(found["floor"], found[server.name], better_is_more=False)
    finding(f"GET of a team of {crowd:,}, against its SQL and its bytes", more, wanted=1.5, at_most=True)
    table(
        f"A whole team of {crowd:,} members",
        ["Cerby, ms", "its SQL and its bytes, ms", "Cerby costs"],
        [
            [
                _ms(found[server.name]),
                _ms(found["floor"]),
                ratios(found["floor"], found[server.name], better_is_more=False),
            ]
        ],
    )


def memory(options: argparse.Namespace) -> None:
    """A worker's memory while an import reads everybody."""
    people = 50_000 if options.quick else 1_000_000
    with Stage(options.web_server) as stage:
        _import(seeding.cerby(stage, people=people), people, options)


def _import(server: Server, people: int, options: argparse.Namespace) -> None:
    sizes.imported(server, people // 20, seconds=60)  # what is loaded once is loaded, and freed once is kept
    read, seconds, samples = sizes.imported(server, people, seconds=options.import_seconds)
    step = max(len(samples) // 10, 1)
    rows = [[f"{done:,}", f"{kib / 1024:.1f}"] for done, kib in samples[::step]]
    more = samples[-1][1] / samples[0][1]
    finding("workers' memory after an import, against before", [more], wanted=1.1, at_most=True)
    table(f"Import of {read:,} people in {seconds:.0f} s", ["people read", "workers' memory, MiB"], rows)


def _beside(title: str, found: sizes.Samples, *, wanted: float) -> None:
    finding(f"{title}, against stock", pairs(found["cerby"], found["stock"], better_is_more=False), wanted=wanted)
    rows = [
        [name, _ms(seconds), "1" if name == "cerby" else ratios(found["cerby"], seconds, better_is_more=False)]
        for name, seconds in found.items()
    ]
    table(title, ["", "ms", "Cerby is"], rows)


def _grown(what: str, found: sizes.Samples) -> list[str]:
    more = statistics.median(found["large"]) / statistics.median(found["small"])
    finding(f"{what}, large against small", [more], wanted=1.5, at_most=True)
    return [what, _ms(found["small"]), _ms(found["large"]), f"{more:.2f} ×"]


def _ms(seconds: list[float]) -> str:
    return spread([value * 1000 for value in seconds], digits=1)


PARTS: Final[dict[str, Part]] = {
    "lifecycle": lifecycles,
    "lists": lists,
    "members": members,
    "growth": growth,
    "memory": memory,
    "web-servers": web_servers,
}


def _options() -> argparse.Namespace:
    parser = running.options("scim", __doc__.splitlines()[0], PARTS)
    parser.add_argument("--peers", action="append", help="lifecycle beside these alone; may be given again")
    parser.add_argument("--import-seconds", type=float, default=600, help="the longest that the import may take")
    parser.add_argument("--web-server", choices=WEB_SERVERS, default=WEB_SERVERS[0])
    return parser.parse_args()


if __name__ == "__main__":
    main()
