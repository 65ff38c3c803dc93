"""Access losses: every verb that ends access of people who stay writes it down itself, and nothing else ends any."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.companies import TESTS, Company
from workspace import access, teams
from workspace.db.unit_of_work import atomic
from workspace.models import AccessLoss, AuditEvent, GrantRole, LossKind, RotationPolicy

pytestmark = pytest.mark.django_db

ROOT: Final = Path(__file__).parents[3]

ENDING: dict[str, tuple[LossKind, Callable[[Company], Any]]] = {
    "access.end": (LossKind.GRANT_ENDED, lambda acme: access.end(acme.grant, actor=TESTS, reason="over")),
    "access.change_role": (
        LossKind.ROLE_LOST,
        lambda acme: access.change_role(acme.grant, GrantRole.OWNER, actor=TESTS),
    ),
    "teams.set_members": (LossKind.TEAM_LEFT, lambda acme: teams.set_members(acme.team, [], actor=TESTS)),
    "teams.remove_members": (
        LossKind.TEAM_LEFT,
        lambda acme: teams.remove_members(acme.team, [acme.member.pk], actor=TESTS),
    ),
    "teams.disband": (LossKind.TEAM_DISBANDED, lambda acme: teams.disband(acme.team, actor=TESTS)),
}
"""Every public verb of grants and teams that ends something, and how it is called so that somebody loses an account."""

WRITES_AN_END: Final = re.compile(r"\.update\([^)]*\b(ended_at|left_at)=|SET (ended_at|left_at)\b")
"""A grant or membership is ended by Django's `update` or in SQL."""

ENDERS: Final = {
    "workspace/access.py": {"end"},
    "workspace/teams.py": {"disband", "_leave"},
    "workspace/deactivation_sql.py": {"END_ACCESS"},  # a departure, whose offboarding writes down exposures
    "rotation/departures/orphans.py": {"_end_lesser_grants"},  # the same person becomes Owner in the same transaction
}


@pytest.mark.parametrize("verb", ENDING)
def test_a_verb_that_ends_access_writes_the_loss_down(acme: Company, rival: Company, verb: str) -> None:
    kind, call = ENDING[verb]
    call(acme)
    loss = AccessLoss.objects.get()
    assert (loss.workspace, loss.kind, loss.settled_at) == (acme.workspace, kind, None)
    assert loss.actor == TESTS.to_json()
    ours = (acme.team, None) if verb.startswith("teams") else (None, acme.grant)
    assert (loss.team, loss.grant) == ours
    assert loss.people == ([acme.member.pk] if verb.startswith("teams") else [])
    assert not AuditEvent.objects.filter(workspace=rival.workspace, verb__in=("grant.ended", "team.disbanded")).exists()


@pytest.mark.parametrize("verb", ENDING)
def test_what_ended_already_is_not_lost_again(acme: Company, verb: str) -> None:
    if verb == "access.change_role":
        access.change_role(acme.grant, GrantRole(acme.grant.role), actor=TESTS)  # the role it has
        assert not AccessLoss.objects.exists()
        return
    for _ in range(2):
        ENDING[verb][1](acme)
    assert AccessLoss.objects.count() == 1


@pytest.mark.parametrize("verb", ENDING)
@pytest.mark.parametrize(
    ("policy", "is_privileged", "losses"),
    [
        (RotationPolicy.NONE, True, 0),
        (RotationPolicy.PRIVILEGED, False, 0),
        (RotationPolicy.REVEALED, False, 1),
        (RotationPolicy.ALL, False, 1),
    ],
)
def test_where_the_policy_rotates_nothing_there_is_nothing_to_write_down(
    acme: Company, verb: str, policy: RotationPolicy, is_privileged: bool, losses: int
) -> None:
    acme.workspace.rotate_on_access_loss = policy
    acme.workspace.save()
    acme.account.is_privileged = is_privileged
    acme.account.save()
    ENDING[verb][1](acme)
    assert AccessLoss.objects.count() == losses


@pytest.mark.parametrize("verb", ENDING)
def test_a_loss_is_undone_with_the_act_that_wrote_it(acme: Company, verb: str) -> None:
    with pytest.raises(LookupError), atomic():
        ENDING[verb][1](acme)
        raise LookupError
    assert not AccessLoss.objects.exists()
    acme.grant.refresh_from_db()
    assert acme.grant.ended_at is None


@pytest.mark.parametrize("module", ["access", "teams"])
def test_no_public_verb_ends_access_without_a_word(module: str) -> None:
    """Read from the source: whoever adds a verb that ends something writes the loss down, and names it above."""
    parts = parts_of(ROOT / "workspace" / f"{module}.py")
    public = [name for name in parts if name.islower() and not name.startswith("_")]
    texts = {name: reached(parts, name) for name in public}
    ending = {name for name, text in texts.items() if WRITES_AN_END.search(text)}
    assert {f"{module}.{name}" for name in ending} == {verb for verb in ENDING if verb.startswith(module)}
    assert {name for name in ending if not re.search(r"losses\.of_(grant|team)\(", texts[name])} == set()


def test_nothing_else_in_the_product_ends_a_grant_or_a_membership() -> None:
    found: dict[str, set[str]] = {}
    for path in sources():
        if names := {name for name, node in parts_of(path).items() if WRITES_AN_END.search(text_of(node))}:
            found[str(path.relative_to(ROOT))] = names
    assert found == ENDERS


def sources() -> Iterator[Path]:
    for package in ("workspace", "rotation", "scim", "cerby", "demo"):
        yield from (path for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts)


def parts_of(path: Path) -> dict[str, ast.stmt]:
    """The functions, classes and constants of a module."""
    parts: dict[str, ast.stmt] = {}
    for node in ast.parse(path.read_text()).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                parts[name] = node
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                parts[name] = node
    return parts


def text_of(node: ast.stmt) -> str:
    """Its source on one line, with SQL as it is sent."""
    return re.sub(r"\s+", " ", ast.unparse(node).replace("\\n", " "))


def reached(parts: dict[str, ast.stmt], name: str) -> str:
    """The source of a part and of all that it names of its module."""
    seen, waiting = set[str](), {name}
    while waiting:
        seen |= waiting
        used = {node.id for each in waiting for node in ast.walk(parts[each]) if isinstance(node, ast.Name)}
        waiting = (used & parts.keys()) - seen
    return "\n".join(text_of(parts[each]) for each in seen)
