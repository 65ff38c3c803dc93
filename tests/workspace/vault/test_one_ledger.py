"""Who holds an account is asked of the ledger alone: no other code reads grants, in SQL or by the ORM."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[3]
FLOORS: Final = ("workspace", "rotation", "scim", "cerby", "demo")
LEDGER: Final = ("workspace/vault/ledger.py", "workspace/vault/ledger_sql.py")
# What gives and ends grants has to find the rows that it writes.
VERBS: Final = ("workspace/access.py", "workspace/teams.py", "rotation/departures/guests.py")

_SQL: Final = re.compile(r"\b(FROM|JOIN|USING)\s+(ONLY\s+)?\"?workspace_grant\b", re.IGNORECASE)
_PATH: Final = re.compile(r"(^|__)(grants__(?!$)|team__memberships|memberships__team__grants)")
_MANAGER: Final = {"filter", "exclude", "all", "get", "exists", "count", "values", "values_list", "select_related"}


def modules() -> list[str]:
    """All but migrations, by their paths from the root."""
    found = (path.relative_to(ROOT).as_posix() for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
    return sorted(path for path in found if "/migrations/" not in path)


def questions(text: str, *, is_verb: bool = False) -> list[int]:
    """The lines of a module in which it asks the ledger's question by itself."""
    return [line for node in ast.walk(ast.parse(text)) for line in _asked(node, is_verb=is_verb)]


def _asked(node: ast.AST, *, is_verb: bool) -> Iterator[int]:
    match node:
        case ast.Constant(value=str(value)) if _SQL.search(value) or _PATH.search(value):
            yield node.lineno
        case ast.keyword(arg=str(name)) if _PATH.search(f"{name}__" if name == "grants" else name):
            yield node.value.lineno
        case ast.Attribute(value=ast.Name(id="Grant"), attr="objects") if not is_verb:
            yield node.lineno
        case ast.Attribute(value=ast.Attribute(attr="grants"), attr=method) if method in _MANAGER:
            yield node.lineno


@pytest.mark.parametrize("path", [path for path in modules() if path not in LEDGER])
def test_no_module_asks_who_holds_an_account_by_itself(path: str) -> None:
    lines = questions((ROOT / path).read_text(), is_verb=path in VERBS)
    assert not lines, f"{path}:{lines[0]} asks the tables who holds an account. Ask workspace.vault.ledger."


@pytest.mark.parametrize(
    "text",
    [
        'SQL = "SELECT account_id FROM workspace_grant WHERE user_id = %s"',
        'SQL = f"""{X} JOIN workspace_teammembership m JOIN\n workspace_grant g ON g.team_id = m.team_id"""',
        "Grant.objects.filter(ended_at=None)",
        "Q(team__memberships__user=user)",
        "accounts.filter(grants__user=user)",
        "User.objects.filter(memberships__team__grants__account=account)",
        'people.values("grants__account")',
        "account.grants.filter(ended_at=None)",
        "team.grants.all()",
    ],
)
def test_a_question_of_its_own_is_found(text: str) -> None:
    assert questions(text)


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE = 'UPDATE workspace_grant SET ended_at = %s WHERE user_id = %s'",
        'Count("grants", filter=ledger.in_force("grants__"))',
        "ledger.holdings_of(user).reaching()",
        "preview.grants",
        "User.objects.filter(memberships__team=team)",
    ],
)
def test_what_is_none_is_left_alone(text: str) -> None:
    assert not questions(text)


def test_every_verb_named_here_is_there() -> None:
    assert set(VERBS + LEDGER) <= set(modules())
