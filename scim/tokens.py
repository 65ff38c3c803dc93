"""Verbs on SCIM tokens: issue, regenerate, revoke, authenticate, and finding one by its name."""

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.utils import timezone

from scim.models import ScimToken, Scope, SwitchOff
from workspace import audit, credentials, statements
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.db.unit_of_work import atomic
from workspace.errors import Conflict, Invalid, NotFound, Refused
from workspace.identifiers import parse_uuid
from workspace.models import Workspace

KIND: Final = "scim"
# The last use is noted at most this often, so that reading a page of people costs no write.
USE_NOTED_EVERY: Final = timedelta(minutes=1)
LONGEST_OVERLAP: Final = timedelta(hours=168)


class Ended(Refused):
    """A real token that was revoked or has expired; its workspace may know that somebody still uses it."""

    def __init__(self, token: ScimToken, detail: str) -> None:
        super().__init__(detail)
        self.token = token


@atomic()
def issue(
    workspace: Workspace, label: str, *, actor: Actor, days: int | None = None, scope: str = Scope.ALL
) -> tuple[ScimToken, Secret]:
    """A new token and its text, which is shown this once. Raises Invalid for a label, lifetime or scope that
    cannot be, Conflict while provisioning is being switched off."""
    label, days = label.strip(), settings.SCIM_TOKEN_DAYS if days is None else days
    if not label or len(label) > 80:
        raise Invalid("A token needs a label of at most 80 characters.", field="label")
    if not 1 <= days <= 3650:
        raise Invalid("A token lasts between 1 and 3650 days.", field="days")
    if scope not in Scope.values:
        raise Invalid(f"There is no such scope. Known: {', '.join(Scope.values)}.", field="scope")
    lock_issuing(workspace)
    issued = credentials.issue(KIND)
    token = ScimToken.objects.create(
        workspace=workspace, label=label, scope=scope, lookup=issued.lookup, digest=issued.digest,
        created_by=actor.to_json(), expires_at=timezone.now() + timedelta(days=days),
    )  # fmt: skip
    audit.record(workspace, Verb.SCIM_TOKEN_ISSUED, token, actor=actor, label=label, days=days, scope=str(scope))
    return token, issued.token


@atomic()
def regenerate(token: ScimToken, *, actor: Actor, overlap: timedelta) -> tuple[ScimToken, Secret]:
    """A new token in the place of one, of the same label, scope and lifetime, and its text, which is shown this once.

    The former one works for `overlap` more, so that provisioning goes on until the provider has the new one; its end
    only ever comes nearer. Raises Invalid, or Conflict for a token that was revoked or replaced.
    """
    check_overlap(overlap)
    lock_issuing(token.workspace)
    former = ScimToken.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace").get(pk=token.pk)
    check_renewable(former)
    new, text = issue(former.workspace, former.label, actor=actor, days=_lifetime(former), scope=former.scope)
    former.expires_at = min(former.expires_at, timezone.now() + overlap)
    former.replaced_by = new
    former.save(update_fields=["expires_at", "replaced_by"])
    audit.record(
        former.workspace, Verb.SCIM_TOKEN_REPLACED, former, actor=actor, label=former.label, replaced_by=str(new.id),
        ends_at=former.expires_at.isoformat(),
    )  # fmt: skip
    return new, text


def lock_issuing(workspace: Workspace) -> None:
    """Nobody issues a token or switches provisioning off meanwhile. Raises Conflict while that is under way."""
    Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    if SwitchOff.objects.for_workspace(workspace).filter(finished_at=None).exists():
        raise Conflict("Provisioning is being switched off. Wait until that is done.")


def check_overlap(overlap: timedelta) -> None:
    """Raises Invalid for what `regenerate` does not take."""
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise Invalid("The old token works for 0 to 168 more hours.", field="overlap_hours")


def check_renewable(token: ScimToken) -> None:
    """Raises Conflict for a token that was revoked or replaced."""
    if token.revoked_at is not None:
        raise Conflict("This token was revoked. Issue a new one.")
    if token.is_replaced:
        raise Conflict("This token was replaced already. Regenerate the one that came after it.")


def named(workspace: Workspace, text: str) -> ScimToken:
    """A token by id, or by the label among those that work, else not revoked, else all. Raises NotFound, Conflict."""
    every = ScimToken.objects.for_workspace(workspace).select_related("workspace")
    if (known := parse_uuid(text)) is not None:
        found = list(every.filter(pk=known))
    else:
        labelled = every.filter(label=text)
        working = list(labelled.valid()) or list(labelled.unrevoked())
        found = working or list(labelled.order_by("-revoked_at")[:1])
    if not found:
        raise NotFound(f"{workspace} has no SCIM token with that label or id.")
    if len(found) > 1:
        ids = ", ".join(str(token.id) for token in found)
        raise Conflict(f"{len(found)} tokens have this label. Give the id: {ids}.")
    return found[0]


def _lifetime(token: ScimToken) -> int:
    """For how many days a token was issued."""
    return min(max(round((token.expires_at - token.created_at) / timedelta(days=1)), 1), 3650)


@atomic()
def revoke(token: ScimToken, *, actor: Actor) -> None:
    """End a token at once; one that has ended stays as it is."""
    if ScimToken.objects.unrevoked().filter(pk=token.pk).update(revoked_at=timezone.now()):
        audit.record(token.workspace, Verb.SCIM_TOKEN_REVOKED, token, actor=actor, label=token.label)


def authenticate(text: str, *, address: str | None) -> ScimToken:
    """The token behind a text. Raises Refused with what to do; why is told only to who holds a real token."""
    lookup = credentials.lookup_of(text, KIND)
    token = _by_lookup(lookup) if lookup else None
    if token is None or not credentials.fits(text, bytes(token.digest)):
        raise Refused("The token is not valid. Copy it again from Cerby (SCIM tokens), or issue a new one there.")
    if token.revoked_at is not None:
        raise Ended(token, f"The token “{token.label}” was revoked on {token.revoked_at:%Y-%m-%d}. Issue a new one.")
    if not token.is_valid and token.is_replaced:
        raise Ended(token, f"The token “{token.label}” was replaced. Enter the new one, or issue another in Cerby.")
    if not token.is_valid:
        raise Ended(token, f"The token “{token.label}” expired on {token.expires_at:%Y-%m-%d}. Issue a new one.")
    _note_use(token, address)
    return token


def _by_lookup(lookup: str) -> ScimToken | None:
    """With its workspace, in one statement: every request begins with it."""
    tokens, workspaces = statements.columns(ScimToken, "t"), statements.columns(Workspace, "w")
    values = statements.greeting(
        f"SELECT {tokens.sql}, {workspaces.sql} FROM scim_scimtoken t"  # noqa: S608  # constants
        " JOIN workspace_workspace w ON w.id = t.workspace_id WHERE t.lookup = %s",
        [lookup],
    )
    if values is None:
        return None
    token: ScimToken = tokens.row(values)
    token.workspace = workspaces.row(values[len(tokens.names) :])
    return token


def note_test(token: ScimToken) -> None:
    """That the provider's connection test came in."""
    ScimToken.objects.filter(pk=token.pk).update(tested_at=timezone.now())


def _note_use(token: ScimToken, address: str | None) -> None:
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - USE_NOTED_EVERY:
        ScimToken.objects.filter(pk=token.pk).update(last_used_at=now, last_used_from=address)
