"""The demo company: Acme, its Owner, its people and teams, and the accounts they share.

Everything is made through the product's own verbs, in one transaction: a start that is interrupted leaves nothing
or all of it. A later start adds nothing and takes nothing back.
"""

from dataclasses import dataclass
from typing import Any, Final

from django.utils import timezone

from cerby.engines import Addresses
from demo import targets
from demo.acme import FORMER, NAME, PEOPLE, SLUG
from demo.credentials import Credentials
from rotation import verification
from rotation.departures import offboarding
from rotation.passwords import Policy, generate
from scim import tokens
from workspace import access, accounts, audit, people, second_factor, teams, tenancy
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.db.unit_of_work import atomic
from workspace.errors import NotFound, Refused
from workspace.models import Account, AuditEvent, GrantRole, Role, Team, User, Workspace
from workspace.people import Profile

OWNER: Final = "owner@acme.example"
DEMO: Final = Actor.system("demo")
SEEDED: Final = Verb.DEMO_SEEDED

(LEAVER,) = FORMER
TEAMS: Final = {
    "Social": ("mei", "luis"),
    "Database": ("nadia", "tom"),
    "Network": ("priya", "jonas"),
}


@dataclass(frozen=True)
class Shared:
    """A shared account: its login, the kind of target, who owns it and who else has it (names of TEAMS and PEOPLE)."""

    name: str
    username: str
    holders: tuple[str, ...]
    kind: str = "by_hand"
    admin: str = ""
    """The name of the account that may reset this one's password."""
    owner: str = ""


# An administering account stands before those it administers.
ACCOUNTS: Final = (
    Shared("Database administration", targets.ROLE_ADMIN, (), "postgres", owner="nadia"),
    Shared("Reporting database", "reporting", ("Database", "luis"), "postgres", "Database administration", "nadia"),
    Shared("Billing database", "billing", ("Database",), "postgres", "Database administration", "nadia"),
    Shared("Archive database", targets.DRIFTED, ("tom",), "postgres", "Database administration", "nadia"),
    Shared("Cache administration", targets.CACHE_ADMIN, (), "redis_acl", owner="priya"),
    Shared("Cache", targets.CACHE_USER, ("Network", "tom"), "redis_acl", "Cache administration", "priya"),
    Shared("Acme on Instagram", "acme.official", ("Social",), owner="mei"),
    Shared("Office router", "admin", ("Network",)),
    Shared("Status page", "status@acme.example", ("Network",), owner=LEAVER),
)


def ensure(addresses: Addresses, credentials: Credentials) -> Credentials:
    """Make the company unless it was made, and see that `credentials` open it. Returns those that do.

    Raises Refused where the home holds another company of that name.
    """
    workspace = _company(credentials)
    _point_accounts(workspace, addresses)
    targets.make(addresses, _passwords(workspace))
    _check_drifted(workspace)
    _open_for_owner(workspace, credentials)
    return credentials.with_token(_token(workspace, credentials))


@atomic()
def _company(credentials: Credentials) -> Workspace:
    try:
        return _made_here(tenancy.find(SLUG))
    except NotFound:
        workspace = tenancy.create(NAME, SLUG, actor=DEMO)
    owner = _person(workspace, "owner", "Olivia", "Owner", role=Role.OWNER)
    owner.set_password(credentials.owner_password)
    owner.save(update_fields=["password"])
    folk = {key: _person(workspace, key, *names) for key, names in {**PEOPLE, **FORMER}.items()}
    groups = {name: _team(workspace, name, [folk[key] for key in keys]) for name, keys in TEAMS.items()}
    _make_accounts(workspace, {**folk, **groups})
    offboarding.offboard(folk[LEAVER], actor=Actor.person(owner), cause="Contract ended")
    audit.record(workspace, SEEDED, workspace, actor=DEMO)
    return workspace


def _made_here(workspace: Workspace) -> Workspace:
    """Raises Refused for a workspace of the demo's name that somebody else made in this home."""
    if not AuditEvent.objects.for_workspace(workspace).filter(verb=SEEDED).exists():
        raise Refused(f"There is a workspace {SLUG} that is not the demo's. Give the demo a CERBY_HOME of its own.")
    return workspace


def _person(workspace: Workspace, name: str, given: str, family: str, *, role: str = Role.MEMBER) -> User:
    address = f"{name}@{SLUG}.example"
    profile = Profile(address, email=address, given_name=given, family_name=family, display_name=f"{given} {family}")
    return people.provision(workspace, profile, actor=DEMO, managed=False, role=role)


def _team(workspace: Workspace, name: str, members: list[User]) -> Team:
    team = teams.create(workspace, name, actor=DEMO)
    teams.add_members(team, [user.id for user in members], actor=DEMO)
    return team


def _make_accounts(workspace: Workspace, holders: dict[str, User | Team]) -> None:
    made: dict[str, Account] = {}
    for shared in ACCOUNTS:
        made[shared.name] = account = accounts.create(
            workspace, shared.name, actor=DEMO, username=shared.username, connector=shared.kind,
            is_privileged=shared.kind != "by_hand", admin_account=made.get(shared.admin),
            password=generate(Policy(32, ("lower", "upper", "digit"))),
        )  # fmt: skip
        if shared.owner:
            access.grant(account, holders[shared.owner], actor=DEMO, role=GrantRole.OWNER)
        for holder in shared.holders:
            access.grant(account, holders[holder], actor=DEMO)


def _point_accounts(workspace: Workspace, addresses: Addresses) -> None:
    """The engines' ports may be others than last time."""
    where: dict[str, dict[str, Any]] = {
        "postgres": targets.postgres_target(addresses),
        "redis_acl": targets.cache_target(addresses),
    }
    seeded = [shared.name for shared in ACCOUNTS]
    for connector, target in where.items():
        mine = Account.objects.for_workspace(workspace).filter(connector=connector, name__in=seeded)
        mine.exclude(target=target).update(target=target)


def _passwords(workspace: Workspace) -> dict[str, Secret]:
    """The current password of each account with a target, by its login."""
    wanted = [shared.username for shared in ACCOUNTS if shared.kind != "by_hand"]
    found = Account.objects.for_workspace(workspace).filter(username__in=wanted, archived_at=None)
    versions = {account.username: accounts.current_version(account) for account in found}
    return {login: accounts.open_version(version) for login, version in versions.items() if version}


def _check_drifted(workspace: Workspace) -> None:
    """Have it found out soon that a password was changed behind Cerby's back."""
    drifted = Account.objects.for_workspace(workspace).filter(username=targets.DRIFTED, verification=None)
    for account in drifted:
        verification.check_soon(account)


def _open_for_owner(workspace: Workspace, credentials: Credentials) -> None:
    """The Owner can sign in with what the demo prints, whatever was tried on them since."""
    owner = User.objects.filter(workspace=workspace).named(OWNER).get()
    if not owner.is_active:
        owner = people.reactivate(owner, actor=DEMO)
    people.set_role(owner, Role.OWNER, actor=DEMO)
    if second_factor.is_enrolled(owner):
        second_factor.reset(owner, actor=DEMO)
    User.objects.filter(pk=owner.pk).update(owner_since=timezone.now())  # the second factor can wait for another week
    if not owner.check_password(credentials.owner_password):
        owner.set_password(credentials.owner_password)
        owner.save(update_fields=["password"])


def _token(workspace: Workspace, credentials: Credentials) -> str:
    """The token of the start before while it is valid, else a new one."""
    try:
        tokens.authenticate(credentials.scim_token, address=None)
    except Refused:
        return tokens.issue(workspace, "Demo", actor=DEMO)[1].reveal()
    return credentials.scim_token
