"""Companies of any size, made in SQL: the servers under test are not what fills them."""

import json
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import psycopg
from uuid_utils.compat import uuid7

from benchmarks.peers import floor
from benchmarks.peers.stock.middleware import TOKEN as STOCK_TOKEN
from benchmarks.servers import Server, Stage, opened

# The people of a company are numbered from 1; their ids tell the number, in the order of UUIDs made one by one.
_ID: Final = "(%(prefix)s || lpad(to_hex(n), 12, '0'))::uuid"
_CERBY_PEOPLE: Final = f"""
    INSERT INTO workspace_user (id, password, workspace_id, user_name, email, given_name, family_name, display_name,
        external_id, attributes, role, is_active, provisioned_at, created_at, updated_at)
    SELECT {_ID}, '!', %(workspace)s, 'person' || n || '@example.com', 'person' || n || '@example.com', 'Ada',
        'Lovelace', 'Ada Lovelace', '00u' || n, jsonb_build_object('locale', 'en-US', 'emails',
        jsonb_build_array(jsonb_build_object('value', 'person' || n || '@example.com', 'type', 'work', 'primary',
        true))), 'member', true, now(), now(), now() FROM generate_series(1, %(people)s) AS n
"""  # noqa: S608
_CERBY_MEMBERS: Final = f"""
    INSERT INTO workspace_teammembership (id, workspace_id, team_id, user_id, joined_at)
    SELECT gen_random_uuid(), %(workspace)s, %(team)s, {_ID}, now() FROM generate_series(1, %(members)s) AS n
"""  # noqa: S608
_STOCK_PEOPLE: Final = """
    INSERT INTO stock_user (password, is_superuser, is_staff, is_active, date_joined, username, first_name, last_name,
        email, scim_id, scim_external_id, scim_username)
    SELECT '!', false, false, true, now(), 'person' || n || '@example.com', 'Ada', 'Lovelace',
        'person' || n || '@example.com', n, '00u' || n, 'person' || n || '@example.com'
    FROM generate_series(1, %(people)s) AS n
"""
_FLOOR_PEOPLE: Final = f"""
    INSERT INTO person SELECT {_ID}, %(workspace)s, 'person' || n || '@example.com', 'Ada', 'Lovelace',
        'Ada Lovelace', '00u' || n, jsonb_build_object('locale', 'en-US', 'emails',
        jsonb_build_array(jsonb_build_object('value', 'person' || n || '@example.com', 'type', 'work', 'primary',
        true))), true, now(), now() FROM generate_series(1, %(people)s) AS n
"""  # noqa: S608
_PREFIX: Final = "01900000-0000-7000-8000-"
_JSON: Final = ("--format", "json")
COMPANY: Final = 1000
"""People that every server has from the start of a lifecycle."""


@dataclass(frozen=True)
class Team:
    """A team's id on its server; its members are the first `members` people."""

    id: str
    members: int


def person_id(server: Server, number: int) -> str:
    """The id of a seeded person."""
    return str(number) if server.name == "stock" else str(UUID(f"{_PREFIX}{number:012x}"))


def cerby(stage: Stage, *, people: int = COMPANY, name: str = "cerby") -> Server:
    """Cerby with one workspace of so many people, and a token."""
    url = stage.database(name)
    stage.manage(url, "migrate", "-v", "0")
    workspace = json.loads(stage.manage(url, "create_workspace", "Acme", "--slug", "acme", *_JSON))["id"]
    issued = stage.manage(url, "issue_scim_token", "acme", "--label", "Okta", "--show-token", *_JSON)
    with psycopg.connect(url) as connection:
        connection.execute(_CERBY_PEOPLE, {"prefix": _PREFIX, "workspace": workspace, "people": people})
    stage.manage(url, "sweep", "--once")
    _settle(url)
    return stage.serve(name, "cerby.wsgi", database_url=url, token=json.loads(issued)["token"])


def stock(stage: Stage, *, people: int = COMPANY) -> Server:
    """Stock django-scim2 with so many people."""
    url = stage.database("stock")
    stage.manage(url, "migrate", "-v", "0", "--run-syncdb", settings="benchmarks.peers.stock.settings")
    with psycopg.connect(url) as connection:
        connection.execute(_STOCK_PEOPLE, {"people": people})
    _settle(url)
    return stage.serve("stock", "benchmarks.peers.stock.wsgi", database_url=url, token=STOCK_TOKEN)


def stock_as_started(stage: Stage, server: Server) -> Server:
    """The same people behind the project as `startproject` leaves it."""
    application = "benchmarks.peers.stock.started"
    return stage.serve("stock-as-started", application, database_url=server.database_url, token=STOCK_TOKEN)


def bare(stage: Stage, *, people: int = COMPANY) -> Server:
    """The floor with so many people."""
    url, workspace = stage.database("floor"), uuid7()
    with psycopg.connect(url) as connection:
        connection.execute(floor.TABLES)
        connection.execute(
            "INSERT INTO token VALUES (%s, sha256(%s), %s)", [floor.TOKEN[:5], floor.TOKEN.encode(), workspace]
        )
        connection.execute(_FLOOR_PEOPLE, {"prefix": _PREFIX, "workspace": workspace, "people": people})
    _settle(url)
    return stage.serve("floor", "benchmarks.peers.floor", database_url=url, token=floor.TOKEN)


def in_memory(stage: Stage) -> Server:
    """scim2-server: one process, since two would not share their memory."""
    return stage.serve("scim2-server", "benchmarks.peers.in_memory", token="none", base="/v2", workers=1)  # noqa: S106


def team(server: Server, members: int, *, name: str = "Everybody") -> Team:
    """A new team of the first `members` people."""
    with opened(server) as connection:
        if server.name == "stock":
            return _stock_team(connection, members, name)
        if server.name == "floor":
            return _floor_team(connection, members)
        return _cerby_team(connection, members, name)


def newcomer(server: Server) -> range:
    """The number of one more person on a server of ours, who is in no team."""
    with opened(server) as connection:
        row = connection.execute("SELECT workspace_id, count(*) FROM workspace_user GROUP BY 1").fetchone()
        assert row is not None
        workspace, number = row[0], row[1] + 1
        one = "generate_series(%(people)s::int, %(people)s::int)"
        more = _CERBY_PEOPLE.replace("generate_series(1, %(people)s)", one)
        connection.execute(more, {"prefix": _PREFIX, "workspace": workspace, "people": number})
    return range(number, number + 1)


def _cerby_team(connection: psycopg.Connection, members: int, name: str) -> Team:
    row = connection.execute("SELECT id FROM workspace_workspace").fetchone()
    assert row is not None
    team, workspace = uuid7(), row[0]
    connection.execute(
        "INSERT INTO workspace_team (id, workspace_id, display_name, external_id, attributes, created_at, updated_at)"
        " VALUES (%s, %s, %s, '', '{}', now(), now())",
        [team, workspace, name],
    )
    values = {"prefix": _PREFIX, "workspace": workspace, "team": team, "members": members}
    connection.execute(_CERBY_MEMBERS, values)
    connection.execute("VACUUM ANALYZE workspace_teammembership")
    return Team(str(team), members)


def _stock_team(connection: psycopg.Connection, members: int, name: str) -> Team:
    row = connection.execute("INSERT INTO stock_group (name) VALUES (%s) RETURNING id", [name]).fetchone()
    assert row is not None
    connection.execute("UPDATE stock_group SET scim_id = id WHERE id = %s", [row[0]])
    connection.execute(
        "INSERT INTO stock_user_scim_groups (user_id, group_id) SELECT n, %s FROM generate_series(1, %s) AS n",
        [row[0], members],
    )
    connection.execute("VACUUM ANALYZE stock_user_scim_groups")
    return Team(str(row[0]), members)


def _floor_team(connection: psycopg.Connection, members: int) -> Team:
    team = uuid7()
    connection.execute(
        f"INSERT INTO member SELECT %(team)s, {_ID} FROM generate_series(1, %(members)s) AS n",  # noqa: S608
        {"prefix": _PREFIX, "team": team, "members": members},
    )
    connection.execute("VACUUM ANALYZE member")
    return Team(str(team), members)


def _settle(url: str) -> None:
    """What autovacuum would do a minute later, so that every server is measured with it done."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
