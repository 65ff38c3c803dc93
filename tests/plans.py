"""What a page costs the database: its statements, the blocks they read, the tables that were read from end to end."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext


@dataclass(frozen=True)
class Cost:
    statements: int
    blocks: int
    scanned: frozenset[str]
    worst: str
    """The statement that reads most, with its plan, for the one who reads the failure."""


def cost_of(browser: Client, path: str) -> Cost:
    """Asks for the page once to warm what is kept, and once to be measured."""
    browser.get(path)
    with CaptureQueriesContext(connection) as asked:
        answer = browser.get(path)
    assert answer.status_code == 200, path
    selected = [query["sql"] for query in asked if query["sql"].startswith("SELECT")]
    plans = [(sql, _explained(sql)) for sql in selected]
    blocks = [(_blocks(plan), sql, plan) for sql, plan in plans]
    worst = max(blocks, key=lambda each: each[0])
    scanned = {
        node["Relation Name"] for _, plan in plans for node in _nodes(plan["Plan"]) if node["Node Type"] == "Seq Scan"
    }
    return Cost(
        len(asked), sum(number for number, _, _ in blocks), frozenset(scanned),
        f"{worst[0]} blocks: {worst[1]}\n{json.dumps(worst[2]['Plan'], indent=1)}",
    )  # fmt: skip


def _explained(sql: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql.replace('%', '%%')}", [])
        found: dict[str, Any] = cursor.fetchone()[0][0]
    return found


def _blocks(plan: dict[str, Any]) -> int:
    node = plan["Plan"]
    return int(node["Shared Hit Blocks"] + node["Shared Read Blocks"])


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)
