"""The people of a workspace page by page: exact at every place, whatever is settled and whoever comes and goes."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pkgutil import iter_modules
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from tests import generators
from tests.companies import TESTS, Company, company
from tests.generators import EFFORT
from workspace import deactivation, directory, erasure, migrations, people, pseudonymisation, statements, teams
from workspace.models import DirectoryChange, DirectoryMark, User, Workspace

pytestmark = pytest.mark.django_db

EVERY = 4


@pytest.fixture(autouse=True)
def _close_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "MARK_EVERY", EVERY)


def hire(workspace: Workspace | None, number: int) -> list[User]:
    """People whose ids are anywhere among the others', as those of many servers' clocks are."""
    return User.objects.bulk_create(
        User(id=(id_ := uuid4()), workspace=workspace, user_name=f"{id_}@example.com", password="!")
        for _ in range(number)
    )


def listed(workspace: Workspace) -> list[UUID]:
    return list(User.objects.filter(workspace=workspace).listed().order_by("id").values_list("id", flat=True))


def ids(page: list[User]) -> list[UUID]:
    return [user.id for user in page]


def assert_exact(workspace: Workspace, *, count: int = 3) -> None:
    """Every page, from each place, is the slice that counting and walking would give."""
    everybody = listed(workspace)
    for skip in range(len(everybody) + 2):
        page, total = directory.page(workspace, skip=skip, count=count)
        assert (ids(page), total) == (everybody[skip : skip + count], len(everybody)), skip


def widest_gap(workspace: Workspace) -> int:
    ranks = sorted(DirectoryMark.objects.filter(workspace=workspace).values_list("rank", flat=True))
    return max(after - before for before, after in zip([0, *ranks], ranks, strict=False))


def test_an_empty_directory_has_one_empty_page(acme: Company) -> None:
    nobody = Workspace.objects.create(name="Nobody", slug="nobody")
    assert directory.page(nobody, skip=0, count=10) == ([], 0)
    directory.settle()
    assert directory.page(nobody, skip=5, count=10) == ([], 0)


def test_pages_are_exact_before_and_after_settling(acme: Company, rival: Company) -> None:
    hire(acme.workspace, 30)
    assert_exact(acme.workspace)
    directory.settle()
    assert not DirectoryChange.objects.exists()
    assert_exact(acme.workspace)
    assert_exact(rival.workspace)


@pytest.mark.generated
@pytest.mark.parametrize("number", range(6 * EFFORT))
def test_pages_are_exact_whatever_happens_in_whatever_order(acme: Company, rival: Company, number: int) -> None:
    dice = generators.dice(number)

    def leave(user: User) -> None:
        deactivation.deactivate(user, actor=TESTS, reason="left")
        people.delist(user, actor=TESTS)

    def come_back(user: User) -> None:
        people.reactivate(user, actor=TESTS)

    def be_purged(user: User) -> None:
        deactivation.deactivate(user, actor=TESTS, reason="left")
        pseudonymisation.pseudonymise(user, actor=TESTS)

    for _ in range(12):
        hire(dice.choice([acme.workspace, rival.workspace, None]), dice.randrange(6))
        for act in dice.choices([leave, leave, come_back, be_purged], k=3):
            known = User.objects.filter(workspace=acme.workspace).present()
            act(dice.choice(known.filter(is_active=act is not come_back) or [acme.person(uuid4().hex)]))
        if dice.random() < 0.6:
            directory.settle()
        assert_exact(acme.workspace)
    directory.settle()
    assert_exact(acme.workspace)
    assert_exact(rival.workspace)
    assert widest_gap(acme.workspace) < 2 * EVERY


def test_no_page_is_far_from_a_mark(acme: Company) -> None:
    hire(acme.workspace, 10 * EVERY)
    directory.settle()
    assert widest_gap(acme.workspace) < 2 * EVERY
    hire(acme.workspace, 10 * EVERY)  # between those who are there
    directory.settle()
    assert widest_gap(acme.workspace) < 2 * EVERY


def test_a_page_walks_no_further_than_from_the_nearest_mark(acme: Company) -> None:
    hire(acme.workspace, 20 * EVERY)
    directory.settle()
    for way in ("seqscan", "bitmapscan", "sort"):  # as the planner decides where there are many
        statements.run(f"SET LOCAL enable_{way} = off")
    values = {"workspace": acme.workspace.pk, "skip": 17 * EVERY, "count": 2, "top": directory._TOP}
    plan = statements.first(f"EXPLAIN (ANALYZE, FORMAT JSON) {directory._PAGE}", {**values, "bottom": UUID(int=0)})
    assert plan is not None
    scans = [node for node in _nodes(plan[0][0]["Plan"]) if node.get("Relation Name") == "workspace_user"]
    walked = [node["Actual Rows"] for node in scans if node["Actual Loops"] == 1]
    assert walked
    assert max(walked) <= 2 * EVERY + 2


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for part in node.get("Plans", []):
        yield from _nodes(part)


def test_a_person_is_read_with_their_teams(acme: Company) -> None:
    other = teams.create(acme.workspace, "Others", actor=TESTS)
    gone = teams.create(acme.workspace, "Gone", actor=TESTS)
    for team in (other, gone):
        teams.add_members(team, [acme.member.id], actor=TESTS)
    teams.disband(gone, actor=TESTS)
    page, _ = directory.page(acme.workspace, skip=0, count=10)
    found = {user.id: user.teams for user in page}
    assert found[acme.member.id] == [[str(acme.team.id), acme.team.display_name], [str(other.id), "Others"]]
    assert found[acme.owner.id] == []


def test_what_is_rolled_back_was_never_in_the_directory(acme: Company) -> None:
    before = DirectoryChange.objects.count()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        acme.person("nobody")
        raise ZeroDivisionError
    assert DirectoryChange.objects.count() == before
    assert_exact(acme.workspace)


def test_an_update_that_keeps_somebody_listed_notes_nothing(acme: Company) -> None:
    directory.settle()
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    User.objects.update(updated_at=timezone.now())
    assert not DirectoryChange.objects.exists()


def test_rows_deleted_by_hand_are_noted_too(acme: Company) -> None:
    with transaction.atomic():
        hired = hire(acme.workspace, 3)
    directory.settle()
    User.objects.filter(pk=hired[0].pk).delete()
    assert_exact(acme.workspace)


def test_a_purged_workspace_leaves_no_marks(acme: Company, rival: Company) -> None:
    hire(acme.workspace, 20)
    directory.settle()
    hire(acme.workspace, 2)
    erasure.purge(acme.workspace, actor=TESTS, despite_people=True)
    assert set(DirectoryMark.objects.values_list("workspace", flat=True)) == {rival.workspace.pk}
    assert not DirectoryChange.objects.exists()
    assert_exact(rival.workspace)


def test_people_from_before_there_were_marks_are_counted(acme: Company) -> None:
    hire(acme.workspace, 5)
    hire(None, 1)
    DirectoryChange.objects.all().delete()
    name = next(module.name for module in iter_modules(migrations.__path__) if module.name.endswith("_directory"))
    migration = import_module(f"workspace.migrations.{name}").Migration
    with connection.cursor() as cursor:
        cursor.execute(migration.operations[-1].sql)
    assert_exact(acme.workspace)


@pytest.mark.django_db(transaction=True)
def test_pages_are_exact_in_every_snapshot_while_people_come_and_go() -> None:
    acme, rival = company("acme"), company("rival")
    hire(acme.workspace, 60)
    over = threading.Event()

    def come_and_go(number: int) -> None:
        dice = generators.dice(number)
        while not over.is_set():
            (user,) = hire(acme.workspace, 1)
            if dice.random() < 0.7:
                deactivation.deactivate(user, actor=TESTS, reason="left")
                people.delist(user, actor=TESTS)

    def settle(_: int) -> None:
        while not over.is_set():
            directory.settle()

    def look(_: int) -> None:
        try:
            for _ in range(8):
                with transaction.atomic():
                    statements.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                    assert_exact(acme.workspace, count=7)
        finally:
            over.set()

    _together([come_and_go, come_and_go, settle, settle, look])
    directory.settle()
    assert_exact(acme.workspace)
    assert_exact(rival.workspace)


def _together(acts: list[Callable[[int], None]]) -> None:
    def run(numbered: tuple[int, Callable[[int], None]]) -> None:
        number, act = numbered
        try:
            act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        list(pool.map(run, enumerate(acts)))
