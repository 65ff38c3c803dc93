"""What Okta does with one person: match, create, read, PUT, PATCH off, PATCH on."""

import itertools
import json
import os
from collections.abc import Callable, Iterator
from typing import Any, Final

from benchmarks import bodies
from benchmarks.drivers import Connection, Scenario, Timings, play
from benchmarks.servers import Server

OPERATIONS: Final = ("match", "create", "read", "PUT", "PATCH off", "PATCH on")
_runs = itertools.count()


def run(server: Server, *, clients: int, repeats: int) -> Timings:
    """`clients` at once, each playing `repeats` people's lifecycles."""
    run_number = next(_runs)
    names = [f"run{run_number}-{os.getpid()}-client{client}" for client in range(clients)]
    web, database = server.seconds_of_web(), server.seconds_of_database()
    timings = play([_scenario(server, name) for name in names], repeats)
    timings.web = server.seconds_of_web() - web
    timings.database = server.seconds_of_database() - database
    return timings


def _scenario(server: Server, name: str) -> Scenario:
    connection = Connection(server.port, server.token)

    def lifecycle(number: int) -> Iterator[tuple[str, Callable[[], Any]]]:
        somebody = bodies.person(f"{name}-{number}@example.com")
        answers: dict[str, bytes] = {}

        def does(operation: str, method: str, path: str, body: bytes = b"", *status: int) -> Any:
            def act() -> None:
                answers[operation] = connection.request(method, path, body, expected=status or (200,))

            return operation, act

        users = f"{server.base}/Users"
        yield does("match", "GET", bodies.match(users, somebody.user_name))
        yield does("create", "POST", users, bodies.create(somebody), 201)
        address = f"{users}/{json.loads(answers['create'])['id']}"
        yield does("read", "GET", address)
        yield does("PUT", "PUT", address, bodies.put(answers["read"], "King"))
        yield does("PATCH off", "PATCH", address, bodies.switch(active=False), 200, 204)
        yield does("PATCH on", "PATCH", address, bodies.switch(active=True), 200, 204)
        if not all(_says(answers["PATCH on"], part) for part in ('"active":true', "King")):
            raise AssertionError("The lifecycle did not end as it should.")

    return lifecycle


def _says(answer: bytes, part: str) -> bool:
    """An empty answer, which some give to PATCH, says nothing wrong."""
    return not answer or part in answer.decode().replace('": ', '":')
