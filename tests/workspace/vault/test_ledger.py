"""The ledger against a plain model of the rows, for any rows and any history; and its rules, one by one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from tests.companies import TESTS, Company
from workspace import access, accounts, deactivation, people, teams
from workspace.models import Account, Grant, GrantRole, Holding, HoldingQuerySet, Team, TeamMembership, User
from workspace.vault import ledger, ledger_sql

pytestmark = pytest.mark.django_db

PEOPLE, TEAMS, ACCOUNTS = range(3), range(2), range(2)
TICKS: Final = 16
"""Hours; the present lies between the ticks in the middle."""
RIGOROUS: Final = settings(
    max_examples=60, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@contextmanager
def undone() -> Iterator[None]:
    """What is written within is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def held_at(moment: datetime) -> HoldingQuerySet:
    return Holding.objects.filter(Q(until=None) | Q(until__gt=moment), since__lte=moment)


def pairs(rows: HoldingQuerySet) -> set[tuple[UUID, UUID]]:
    return set(rows.values_list("user_id", "account_id"))


# Any rows


def spans() -> st.SearchStrategy[tuple[int, int | None]]:
    """When something begins, and when it was ended: never before."""
    return st.tuples(st.integers(0, TICKS // 2), st.none() | st.integers(0, TICKS // 2)).map(
        lambda pair: (pair[0], None if pair[1] is None else max(pair[0], pair[1]))
    )


@dataclass(frozen=True)
class PersonRow:
    deactivated: int | None
    is_active: bool
    expires: int | None


@dataclass(frozen=True)
class GrantRow:
    account: int
    user: int | None
    team: int | None
    role: str
    span: tuple[int, int | None]
    expires: int | None


@dataclass(frozen=True)
class MembershipRow:
    team: int
    user: int
    span: tuple[int, int | None]


@dataclass(frozen=True)
class Rows:
    """Everything that the ledger is read from."""

    people: list[PersonRow]
    disbanded: list[int | None]
    archived: list[bool]
    grants: list[GrantRow]
    memberships: list[MembershipRow]


def open_once(row: GrantRow | MembershipRow, *pair: int | None) -> Any:
    """The database holds them to one that is open for each pair."""
    return pair if row.span[1] is None else row


past = st.none() | st.integers(0, TICKS // 2)
ever = st.none() | st.integers(0, TICKS)
people_rows = st.one_of(
    st.builds(PersonRow, deactivated=st.none(), is_active=st.just(True), expires=ever),
    st.builds(PersonRow, deactivated=st.integers(0, TICKS // 2), is_active=st.just(False), expires=ever),
)
holders = st.one_of(
    st.tuples(st.sampled_from(PEOPLE), st.none()), st.tuples(st.none(), st.sampled_from(TEAMS))
)
grant_rows = st.builds(
    lambda holder, **more: GrantRow(user=holder[0], team=holder[1], **more), holder=holders,
    account=st.sampled_from(ACCOUNTS), role=st.sampled_from(GrantRole.values), span=spans(), expires=ever,
)  # fmt: skip
membership_rows = st.builds(
    MembershipRow, team=st.sampled_from(TEAMS), user=st.sampled_from(PEOPLE), span=spans()
)
any_rows = st.builds(
    Rows,
    people=st.lists(people_rows, min_size=len(PEOPLE), max_size=len(PEOPLE)),
    disbanded=st.lists(past, min_size=len(TEAMS), max_size=len(TEAMS)),
    archived=st.lists(st.booleans(), min_size=len(ACCOUNTS), max_size=len(ACCOUNTS)),
    grants=st.lists(grant_rows, max_size=8, unique_by=lambda row: open_once(row, row.account, row.user, row.team)),
    memberships=st.lists(membership_rows, max_size=6, unique_by=lambda row: open_once(row, row.team, row.user)),
)


@dataclass(frozen=True)
class Way:
    """What the model says of one grant and one person."""

    person: int
    account: int
    team: int | None
    role: str
    since: int
    until: int | None
    is_live: bool
    reaches: bool


def first(*ends: int | None) -> int | None:
    return min((end for end in ends if end is not None), default=None)


def modelled(rows: Rows) -> set[Way]:
    """Who holds what, by going through the rows one by one."""
    found = set()
    for grant in rows.grants:
        if grant.user is not None:
            found.add(_way(rows, grant, grant.user, grant.span[0], None, None))
            continue
        assert grant.team is not None
        for member in rows.memberships:
            if member.team == grant.team:
                since = max(grant.span[0], member.span[0])
                found.add(_way(rows, grant, member.user, since, member.span[1], rows.disbanded[grant.team]))
    return {way for way in found if way.until is None or way.since < way.until}


def _way(rows: Rows, grant: GrantRow, user: int, since: int, left: int | None, disbanded: int | None) -> Way:
    person = rows.people[user]
    ended = first(grant.span[1], left, disbanded, person.deactivated)
    expires = first(grant.expires, person.expires)
    is_live = ended is None
    unexpired = expires is None or expires > TICKS // 2
    reaches = is_live and unexpired and not rows.archived[grant.account]
    until = first(ended, expires)
    return Way(user, grant.account, grant.team, grant.role, since, until, is_live, reaches)


@dataclass
class Stored:
    """The rows in the database, and their ids."""

    company: Company
    origin: datetime
    people: list[UUID] = field(default_factory=list)
    teams: list[UUID] = field(default_factory=list)
    accounts: list[UUID] = field(default_factory=list)

    def moment(self, tick: int) -> datetime:
        return self.origin + timedelta(hours=tick)

    def at(self, tick: int | None) -> datetime | None:
        return None if tick is None else self.moment(tick)

    def tick(self, moment: datetime | None) -> int | None:
        return None if moment is None else round((moment - self.origin) / timedelta(hours=1))

    def write(self, rows: Rows) -> None:
        self.people, self.teams, self.accounts = ([uuid7() for _ in some] for some in (PEOPLE, TEAMS, ACCOUNTS))
        owned: dict[str, Any] = {"workspace": self.company.workspace}
        User.objects.bulk_create(
            User(
                id=self.people[n], user_name=f"m{n}", is_active=row.is_active, deactivated_at=self.at(row.deactivated),
                expires_at=self.at(row.expires), **owned,
            )
            for n, row in enumerate(rows.people)
        )  # fmt: skip
        Team.objects.bulk_create(
            Team(id=self.teams[n], display_name=f"t{n}", disbanded_at=self.at(tick), **owned)
            for n, tick in enumerate(rows.disbanded)
        )
        Account.objects.bulk_create(
            Account(id=self.accounts[n], name=f"a{n}", archived_at=self.origin if gone else None, **owned)
            for n, gone in enumerate(rows.archived)
        )
        Grant.objects.bulk_create(
            Grant(
                account_id=self.accounts[row.account], role=row.role, granted_at=self.moment(row.span[0]),
                user_id=None if row.user is None else self.people[row.user],
                team_id=None if row.team is None else self.teams[row.team],
                ended_at=self.at(row.span[1]), expires_at=self.at(row.expires), **owned,
            )
            for row in rows.grants
        )  # fmt: skip
        TeamMembership.objects.bulk_create(
            TeamMembership(
                team_id=self.teams[row.team], user_id=self.people[row.user], joined_at=self.moment(row.span[0]),
                left_at=self.at(row.span[1]), **owned,
            )
            for row in rows.memberships
        )  # fmt: skip

    def read(self) -> set[Way]:
        """What the ledger says of them. A span that is over before it begins is none."""
        held = Holding.objects.for_workspace(self.company.workspace).filter(user__in=self.people)
        return {
            Way(
                self.people.index(row.user_id), self.accounts.index(row.account_id),
                None if row.team_id is None else self.teams.index(row.team_id), row.role,
                self.tick(row.since) or 0, self.tick(row.until), row.is_live, row.reaches,
            )
            for row in held
            if row.until is None or row.since < row.until
        }  # fmt: skip


@RIGOROUS
@given(rows=any_rows)
def test_any_rows_are_read_as_the_model_reads_them(acme: Company, rival: Company, rows: Rows) -> None:
    with undone():
        stored = Stored(acme, timezone.now() - timedelta(hours=TICKS // 2, minutes=30))
        stored.write(rows)
        expected = modelled(rows)
        assert stored.read() == expected
        for tick in range(TICKS + 1):
            held = {(stored.people[way.person], stored.accounts[way.account]) for way in expected
                    if way.since <= tick and (way.until is None or tick < way.until)}  # fmt: skip
            assert pairs(held_at(stored.moment(tick)).filter(user__in=stored.people)) == held
        reached = {(stored.people[way.person], stored.accounts[way.account]) for way in expected if way.reaches}
        assert ledger.reaching(stored.people, stored.accounts) == reached
        assert pairs(Holding.objects.reaching().filter(user__in=stored.people)) == reached
        assert ledger.owned(stored.accounts) == {
            stored.accounts[way.account] for way in expected if way.reaches and way.role == GrantRole.OWNER
        }
        assert pairs(Holding.objects.for_workspace(rival.workspace)) == {(rival.member.pk, rival.account.pk)}


# Any history


@dataclass
class World:
    """What is so at the moment, by the plainest of books."""

    grants: dict[tuple[UUID, UUID], Grant] = field(default_factory=dict)
    members: set[tuple[UUID, UUID]] = field(default_factory=set)
    expired: set[UUID] = field(default_factory=set)
    out: set[UUID] = field(default_factory=set)
    disbanded: set[UUID] = field(default_factory=set)

    def held(self) -> set[tuple[UUID, UUID]]:
        found = set()
        for (account, holder), grant in self.grants.items():
            of_team = {user for team, user in self.members if team == holder}
            users = of_team if grant.team_id else {holder}
            found |= {(user, account) for user in users - self.expired if grant.pk not in self.expired}
        return found


ACTS: Final = ("give", "end", "expire", "promote", "join", "leave", "disband", "out", "back", "expire_person")
histories = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, 2), st.integers(0, 1), st.integers(0, 1)), min_size=4, max_size=22
)


@dataclass
class History:
    """Verbs as they are called, with what was so after each."""

    company: Company
    people: list[User]
    teams: list[Team]
    accounts: list[Account]
    world: World = field(default_factory=World)
    kept: list[tuple[datetime, set[tuple[UUID, UUID]]]] = field(default_factory=list)

    def act(self, what: str, person: int, team: int, account: int) -> None:
        user, group, shared = self.people[person], self.teams[team], self.accounts[account]
        holder: User | Team = user if person else group
        getattr(self, f"_{what}")(user, group, shared, holder)
        self.kept.append((database_time(), self.world.held()))

    def _give(self, user: User, group: Team, shared: Account, holder: User | Team) -> None:
        gone = self.world.out | self.world.expired | self.world.disbanded
        if holder.pk not in gone and (shared.pk, holder.pk) not in self.world.grants:
            self.world.grants[shared.pk, holder.pk] = access.grant(shared, holder, actor=TESTS)

    def _end(self, user: User, group: Team, shared: Account, holder: User | Team) -> None:
        grant = self.world.grants.pop((shared.pk, holder.pk), None)
        if grant is not None:
            access.end(grant, actor=TESTS, reason="over")

    def _expire(self, user: User, group: Team, shared: Account, holder: User | Team) -> None:
        grant = self.world.grants.get((shared.pk, holder.pk))
        if grant is not None and grant.pk not in self.world.expired:
            Grant.objects.filter(pk=grant.pk).update(expires_at=database_time())
            self.world.expired.add(grant.pk)

    def _promote(self, user: User, group: Team, shared: Account, holder: User | Team) -> None:
        grant = self.world.grants.get((shared.pk, holder.pk))
        if grant is not None and grant.pk not in self.world.expired and holder.pk not in self.world.expired:
            self.world.grants[shared.pk, holder.pk] = access.change_role(grant, GrantRole.OWNER, actor=TESTS)

    def _join(self, user: User, group: Team, shared: Account, holder: User | Team) -> None:
        if group.pk not in self.world.disbanded and user.pk not in self.world.out:
            teams.add_members(group, [user.pk], actor=TESTS)
            self.world.members.add((group.pk, user.pk))

    def _leave(self, user: User, group: Team, shared: Account, holder: User | Team) -> None:
        teams.remove_members(group, [user.pk], actor=TESTS)
        self.world.members.discard((group.pk, user.pk))

    def _disband(self, user: User, group: Team, shared: Account, holder: User | Team) -> None:
        teams.disband(group, actor=TESTS)
        self.world.disbanded.add(group.pk)
        self._forget(group.pk)

    def _out(self, user: User, group: Team, shared: Account, holder: User | Team) -> None:
        deactivation.deactivate(user, actor=TESTS, reason="left")
        self.world.out.add(user.pk)
        self._forget(user.pk)

    def _back(self, user: User, group: Team, shared: Account, holder: User | Team) -> None:
        if user.pk not in self.world.expired:  # of whom it would be forgotten that they were a guest
            people.reactivate(user, actor=TESTS)
            self.world.out.discard(user.pk)

    def _expire_person(self, user: User, group: Team, shared: Account, holder: User | Team) -> None:
        if user.pk not in self.world.expired | self.world.out:
            User.objects.filter(pk=user.pk).update(expires_at=database_time())
            self.world.expired.add(user.pk)

    def _forget(self, holder: UUID) -> None:
        for key in [key for key in self.world.grants if key[1] == holder]:
            del self.world.grants[key]
        self.world.members = {pair for pair in self.world.members if holder not in pair}


def database_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found


@settings(RIGOROUS, max_examples=30)
@given(history=histories)
def test_any_history_is_remembered_as_it_was(
    acme: Company, rival: Company, history: list[tuple[str, int, int, int]]
) -> None:
    """After each act who holds what is as the books have it, and in the end the ledger still knows each moment."""
    with undone():
        told = History(
            acme, [acme.person(f"h{n}") for n in PEOPLE],
            [teams.create(acme.workspace, f"T{n}", actor=TESTS) for n in TEAMS],
            [accounts.create(acme.workspace, f"A{n}", actor=TESTS) for n in ACCOUNTS],
        )  # fmt: skip
        users = [user.pk for user in told.people]
        for each in history:
            told.act(*each)
            assert pairs(Holding.objects.reaching().filter(user__in=users)) == told.world.held(), each
        for moment, held in told.kept:
            assert pairs(held_at(moment).filter(user__in=users)) == held
        assert pairs(Holding.objects.for_workspace(rival.workspace)) == {(rival.member.pk, rival.account.pk)}


# The rules, one by one


def test_a_guest_of_a_team_that_is_one_ends_with_whichever_ends_first(acme: Company) -> None:
    now = timezone.now()
    access.set_expiry(acme.grant, now + timedelta(days=2), actor=TESTS)
    people.set_expiry(acme.member, now + timedelta(days=1), actor=TESTS)
    held = ledger.ways(acme.member, acme.account).get()
    assert (held.until, held.expires_at) == (now + timedelta(days=1),) * 2
    assert held.grant_expires_at == now + timedelta(days=2)


def test_an_end_in_writing_counts_at_once_whatever_clock_dated_it(acme: Company) -> None:
    """Another machine's clock is ahead of the database's."""
    ahead = timezone.now() + timedelta(hours=1)
    Grant.objects.filter(pk=acme.grant.pk).update(granted_at=ahead)
    assert ledger.ways(acme.member, acme.account).reaching().exists()
    Grant.objects.filter(pk=acme.grant.pk).update(ended_at=ahead + timedelta(hours=1))
    assert not ledger.ways(acme.member, acme.account).live().exists()
    assert not access.reachable_accounts(acme.member).exists()


def test_a_disbanded_team_reaches_nothing_even_with_grants_and_members_left(acme: Company) -> None:
    Team.objects.filter(pk=acme.team.pk).update(disbanded_at=timezone.now())
    assert not ledger.ways(acme.member, acme.account).live().exists()
    assert not access.reachable_accounts(acme.member).exists()


def test_an_inactive_person_holds_nothing_even_with_grants_left(acme: Company) -> None:
    left = timezone.now()
    User.objects.filter(pk=acme.member.pk).update(is_active=False, deactivated_at=left)
    held = ledger.ways(acme.member, acme.account).get()
    assert (held.until, held.is_live, held.reaches) == (left, False, False)


def test_an_archived_account_is_held_and_reached_by_nobody(acme: Company) -> None:
    Account.objects.filter(pk=acme.account.pk).update(archived_at=timezone.now())
    held = ledger.ways(acme.member, acme.account).get()
    assert (held.is_live, held.reaches) == (True, False)


def test_platform_staff_hold_nothing(acme: Company) -> None:
    staff = User.objects.create(workspace=None, user_name="support@platform.example")
    assert not ledger.holdings_of(staff).exists()
    assert not access.reachable_accounts(staff).exists()


def test_a_person_moved_past_the_verbs_holds_nothing_of_another_workspace(acme: Company, rival: Company) -> None:
    assert set(ledger.holdings_of(acme.member).values_list("workspace", flat=True)) == {acme.workspace.pk}
    assert not ledger.ways(acme.member, rival.account).exists()
    assert ledger.owned([rival.account.pk]) == set()


def test_what_never_overlapped_was_never_held(acme: Company) -> None:
    teams.remove_members(acme.team, [acme.member.pk], actor=TESTS)
    later = accounts.create(acme.workspace, "Later", actor=TESTS)
    access.grant(later, acme.team, actor=TESTS)
    assert not ledger.ways(acme.member, later).exists()
    assert ledger.ways(acme.member, acme.account).get().until is not None


def test_the_view_in_the_database_is_the_one_of_the_ledger(acme: Company) -> None:
    """A change of the text without a migration is no change."""
    with undone(), connection.cursor() as cursor:
        text = "SELECT pg_get_viewdef(to_regclass(%s)), reloptions FROM pg_class WHERE oid = to_regclass(%s)"
        cursor.execute(text, ["workspace_holding"] * 2)
        migrated = cursor.fetchone()
        cursor.execute("DROP VIEW workspace_holding")
        cursor.execute(ledger_sql.VIEW)
        cursor.execute(text, ["workspace_holding"] * 2)
        assert cursor.fetchone() == migrated
        assert migrated[1] == ["security_invoker=true"]
