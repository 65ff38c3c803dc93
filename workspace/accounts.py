"""Verbs on shared accounts and the passwords stored for them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError
from django.utils import timezone

from workspace import audit, crypto, statements
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.db.unit_of_work import atomic, savepoint
from workspace.errors import Conflict, Invalid, Refused
from workspace.models import Account, Reveal, SecretVersion, User, Workspace
from workspace.models.people import HAS_ACCESS

POINTING: Final = frozenset({"connector", "target", "admin_account"})
"""What decides to whom passwords are sent."""
LEAST_FAILED_LOGINS: Final = 2
"""One to see a wrong password rejected, one for the login after it that should succeed."""


_SHOW_NO_MORE: Final = """
UPDATE workspace_secretversion SET visible_until = %s
 WHERE account_id = %s AND visible_from IS NOT NULL AND visible_until IS NULL
"""
_POINTED_BY: Final = """
SELECT pointed_by_id FROM workspace_account WHERE id = %(account)s OR admin_account_id = %(account)s"""
_RECEIVERS: Final = f"""
SELECT id FROM workspace_user WHERE is_active AND id IN ({_POINTED_BY}) ORDER BY id FOR KEY SHARE
"""  # noqa: S608  # a constant
_WITH_PEOPLE: Final = f"""
SELECT id, {HAS_ACCESS} FROM workspace_user
 WHERE workspace_id = %(workspace)s AND (id = %(person)s OR id IN ({_POINTED_BY})) ORDER BY id FOR KEY SHARE
"""  # noqa: S608  # a constant
_SHOW: Final = "UPDATE workspace_secretversion SET visible_from = %s, visible_until = NULL WHERE id = %s"


@atomic()
def create(workspace: Workspace, name: str, *, actor: Actor, password: Secret | None = None, **fields: Any) -> Account:
    """A new shared account, with its first password when it is known. Raises Conflict when the name is taken."""
    if Account.objects.for_workspace(workspace).filter(name__iexact=name, archived_at=None).exists():
        raise Conflict(f"There is an account called {name} already.")
    _check_admin(workspace.id, fields.get("admin_account"))
    _check_budget(fields.get("lockout_budget"))
    account = Account(workspace=workspace, name=name, **fields)
    if account.target:
        account.pointed_by = _person(account, actor)
    account.save(force_insert=True)
    audit.record(workspace, Verb.ACCOUNT_CREATED, account, actor=actor, connector=account.connector)
    if account.target:
        _note_receiving(account, actor)
    if password is not None:
        store_password(account, password, actor=actor)
    return account


@atomic()
def update(account: Account, *, actor: Actor, **fields: Any) -> Account:
    """Change what is known of an account, its passwords apart; unchanged is no event.

    Raises Conflict when the name is taken, Invalid for an admin account that cannot be one, Refused as
    `lock_with_people`.
    """
    account = lock_with_people(account, actor=actor)
    names = sorted(name for name, value in fields.items() if getattr(account, name) != value)
    if not names:
        return account
    _check_admin(account.workspace_id, fields.get("admin_account"), of=account)
    _check_budget(fields.get("lockout_budget"))
    for name in names:
        setattr(account, name, fields[name])
    pointed = bool(POINTING.intersection(names))
    if pointed:
        account.pointed_by = _person(account, actor)
    try:
        with savepoint():
            account.save(update_fields=[*names, *(["pointed_by"] if pointed else [])])
    except IntegrityError as error:
        raise Conflict(f"There is an account called {account.name} already.") from error
    audit.record(account.workspace, Verb.ACCOUNT_UPDATED, account, actor=actor, attributes=names)
    if pointed:
        _note_receiving(account, actor)
    return account


@atomic()
def store_password(account: Account, password: Secret, *, actor: Actor) -> SecretVersion:
    """Record a password that a person says is in force; it becomes the one people are shown.

    Raises Invalid for an empty one or one with a NUL, Refused as `lock_with_people`. The former version is kept, and is
    not dead until proved.
    """
    if not password.reveal() or "\x00" in password.reveal():
        raise Invalid("A password must not be empty or contain a NUL character.", field="password")
    lock_with_people(account, actor=actor)
    version = add_candidate(account, password)
    make_current(version, at=timezone.now())
    note_known(version, actor=actor)
    audit.record(account.workspace, Verb.ACCOUNT_PASSWORD_STORED, account, actor=actor, version=version.number)
    return version


def lock(account: Account) -> Account:
    """The account's row, fresh and locked, so that one version at a time becomes its password."""
    found = statements.one(Account, "WHERE t.id = %s FOR NO KEY UPDATE", [account.pk])
    if found is None:
        raise Account.DoesNotExist
    return found


def lock_with_people(account: Account, *, actor: Actor) -> Account:
    """As `lock`, and held against leaving those who come to know its next password: who acts, and who pointed it.

    Raises Refused for a person who acts and has no access any more.
    """
    account = lock(account)
    person = actor.id if actor.kind == "person" else None
    values = {"account": account.pk, "workspace": account.workspace_id, "person": person}
    if dict(statements.rows(_WITH_PEOPLE, values)).get(person) is False:
        raise Refused("Your own access has ended meanwhile. Nothing was changed.")
    return account


def note_known(version: SecretVersion, *, actor: Actor) -> None:
    """That whoever acts knows this version, having typed it or pointed it elsewhere: their departure must end it."""
    person = _person(version, actor)
    if person is not None:
        Reveal.objects.create(
            workspace_id=version.workspace_id, account_id=version.account_id, version=version, user=person
        )


def _person(row: Account | SecretVersion, actor: Actor) -> User | None:
    """Who acts, if it is somebody of the row's workspace."""
    person = actor.id if actor.kind == "person" else None
    return User.objects.filter(pk=person, workspace_id=row.workspace_id).first() if person else None


def _note_receiving(account: Account, actor: Actor) -> None:
    """Whoever names the target decides who receives the account's password and its administrator's."""
    for sent in (account, account.admin_account):
        version = current_version(sent) if sent else None
        if version is not None:
            note_known(version, actor=actor)


def _note_receivers(version: SecretVersion, receivers: Iterable[tuple[Any, ...]]) -> None:
    """That a new password reaches those who pointed its account, or one that it administers, where they did."""
    statements.write_all({}, [
        Reveal(workspace_id=version.workspace_id, account_id=version.account_id, version=version, user_id=receiver)
        for (receiver,) in receivers
    ])  # fmt: skip


def versions(account: Account) -> list[SecretVersion]:
    """Every password the account has, had or may have had, oldest first."""
    return statements.every(SecretVersion, "WHERE account_id = %s ORDER BY number", [account.pk])


def add_candidate(account: Account, password: Secret) -> SecretVersion:
    """Seal a password as the account's next version, shown to nobody. Locks the account."""
    lock(account)
    version = next_version(account, password, after=versions(account))
    statements.insert(version)
    return version


def next_version(account: Account, password: Secret, *, after: Sequence[SecretVersion]) -> SecretVersion:
    """A password sealed as the account's next version, not saved yet. `after` are all its versions, read by a caller
    who has locked the account."""
    number = after[-1].number + 1 if after else 1
    sealed = crypto.seal(password, workspace=account.workspace_id, account=account.id, version=number)
    return SecretVersion(workspace_id=account.workspace_id, account=account, number=number, sealed=sealed)


def make_current(version: SecretVersion, *, at: datetime) -> None:
    """From `at` on people are shown this version and no other. One that they are shown already stays as it is.

    The caller has locked the account, and not yet its rotation: those who receive the password are held here.
    """
    if version.visible_from is not None and version.visible_until is None:
        return
    receivers = statements.rows(_RECEIVERS, {"account": version.account_id})
    statements.run(_SHOW_NO_MORE, [at, version.account_id])
    statements.run(_SHOW, [at, version.pk])
    version.visible_from, version.visible_until = at, None
    _note_receivers(version, receivers)


def current_version(account: Account) -> SecretVersion | None:
    current = "WHERE account_id = %s AND visible_from IS NOT NULL AND visible_until IS NULL"
    return statements.one(SecretVersion, current, [account.pk])


def open_version(version: SecretVersion) -> Secret:
    """The password itself. Raises Undecryptable. Callers record why they looked."""
    return crypto.unseal(
        bytes(version.sealed), workspace=version.workspace_id, account=version.account_id, version=version.number
    )


def _check_budget(failed_logins: int | None) -> None:
    if failed_logins is not None and failed_logins < LEAST_FAILED_LOGINS:
        detail = f"At least {LEAST_FAILED_LOGINS} failed logins, or nothing is ever tried."
        raise Invalid(detail, field="lockout_budget")


def _check_admin(workspace_id: UUID, admin: Account | None, *, of: Account | None = None) -> None:
    """Another account of the same workspace. What it may do on the target is found out when it is used."""
    if admin is None:
        return
    if admin.workspace_id != workspace_id:
        raise Invalid("The admin account must be one of the same workspace.", field="admin_account")
    if of is not None and admin.pk == of.pk:
        raise Invalid("An account cannot be its own admin account.", field="admin_account")
