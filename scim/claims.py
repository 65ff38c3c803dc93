"""Renewing a SCIM token by way of support: an Owner proves who they are, and takes the new token in the admin.

    ask     mails the Owner a one-time code
    prove   takes the code, or one of the Owner's authenticator app, and prepares a claim
    claim   makes the token, for the Owner alone

The token does not exist before the Owner claims it, so support has nothing to see, to keep or to pass on.
"""

import hmac
import logging
import secrets
import smtplib
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from scim import tokens
from scim.models import ScimToken, TokenClaim
from workspace import audit, people, second_factor
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.db.unit_of_work import atomic
from workspace.errors import Conflict, Refused
from workspace.models import User

logger = logging.getLogger(__name__)

DIGITS: Final = 8
CODE_LASTS: Final = timedelta(minutes=15)
CLAIM_LASTS: Final = timedelta(hours=24)
CODES_AN_HOUR: Final = 5
TRIES: Final = 5
WRONG: Final = "This is no code of theirs that counts. Look whether it is the last one mailed, or mail another."


def check(token: ScimToken, owner: User, overlap: timedelta) -> None:
    """Raises what `ask` and `prove` would say of their arguments, without a code."""
    tokens.check_overlap(overlap)
    tokens.check_renewable(token)
    _require_owner(token, owner)


def ask(token: ScimToken, owner: User, *, actor: Actor) -> TokenClaim:
    """Mail the Owner a code that counts for 15 minutes; an earlier one counts no more.

    Raises Refused for who is no Owner of the token's workspace, after five codes within an hour, and when the mail
    could not be sent; Conflict for a token that cannot be renewed.
    """
    claim, code = _asked(token, owner, actor)
    try:
        _code_mail(claim, code).send()
    except (smtplib.SMTPException, OSError, ValueError) as error:
        TokenClaim.objects.filter(pk=claim.pk).update(code_expires_at=timezone.now())
        raise Refused(f"The code could not be mailed: {type(error).__name__}.") from error
    return claim


def prove(token: ScimToken, owner: User, code: str, *, actor: Actor, overlap: timedelta) -> TokenClaim:
    """Take the mailed code, or one of the Owner's authenticator app, and let the Owner claim a new token for a day.

    Raises Refused for a wrong code, and as `ask` does; Conflict for a token that cannot be renewed; Invalid for an
    overlap.
    """
    tokens.check_overlap(overlap)
    claim = _proved(token, owner, "".join(code.split()).replace("-", ""), actor, overlap)
    if claim is None:
        raise Refused(WRONG)
    try:
        _claim_mail(claim).send()
    except (smtplib.SMTPException, OSError, ValueError) as error:
        logger.warning("An Owner was not told that a token waits: %s", type(error).__name__)
    return claim


def waiting(token: ScimToken, owner: User) -> TokenClaim | None:
    """What this person may claim in the place of the token."""
    return _open().filter(token=token, owner=owner).first()


@atomic()
def claim(prepared: TokenClaim, *, actor: Actor) -> tuple[ScimToken, Secret]:
    """The new token and its text, which is shown this once. Raises Refused for anybody but the Owner who proved who
    they are, Conflict for a claim that has lapsed or was used."""
    owner = _owner(prepared.token, prepared.owner)
    found = _open().select_for_update(of=("self",)).filter(pk=prepared.pk).select_related("token").first()
    if found is None:
        raise Conflict("This claim was used or has lapsed. Ask support for another.")
    if actor != Actor.person(owner):
        raise Refused("Only the Owner who asked support can take this token.")
    new, text = tokens.regenerate(found.token, actor=actor, overlap=timedelta(hours=found.overlap_hours))
    TokenClaim.objects.filter(pk=found.pk).update(claimed_at=timezone.now())
    return new, text


def address(token: ScimToken) -> str:
    """Where in the admin the Owner claims."""
    return f"{settings.BASE_URL}{reverse('admin:scim_scimtoken_claim', args=[token.pk])}"


@atomic()
def _asked(token: ScimToken, owner: User, actor: Actor) -> tuple[TokenClaim, str]:
    tokens.check_renewable(token)
    owner = _owner(token, owner)
    if not owner.email:
        raise Refused(f"{owner.user_name} has no e-mail address. Ask for a code of their authenticator app.")
    hour = timezone.now() - timedelta(hours=1)
    if TokenClaim.objects.filter(owner=owner, code_expires_at__isnull=False, requested_at__gt=hour).count() >= (
        CODES_AN_HOUR
    ):
        raise Refused(f"{CODES_AN_HOUR} codes were mailed within the hour. Wait, or ask for one of their app.")
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    claim = _new(token, owner, actor)
    claim.code_digest, claim.code_expires_at = _digest(claim, code), timezone.now() + CODE_LASTS
    claim.save(force_insert=True)
    audit.record(token.workspace, Verb.SCIM_TOKEN_CODE_MAILED, token, actor=actor, owner=str(owner.pk))
    return claim, code


@atomic()
def _proved(token: ScimToken, owner: User, code: str, actor: Actor, overlap: timedelta) -> TokenClaim | None:
    """None for a wrong code. Its count is kept, so the caller raises when this is committed."""
    tokens.check_renewable(token)
    owner = _owner(token, owner)
    claim, how = _by_mail(token, owner, code), "mailed code"
    if claim is None and len(code) < DIGITS and second_factor.verify(owner, code) == "totp":
        claim, how = _new(token, owner, actor), "authenticator"
    if claim is None:
        audit.record(token.workspace, Verb.SCIM_TOKEN_CODE_REFUSED, token, actor=actor, owner=str(owner.pk))
        return None
    now = timezone.now()
    _open().filter(token=token).update(expires_at=now)
    claim.overlap_hours, claim.proved_at, claim.expires_at = overlap // timedelta(hours=1), now, now + CLAIM_LASTS
    claim.save()
    audit.record(
        token.workspace, Verb.SCIM_TOKEN_CLAIM_PREPARED, token, actor=actor, owner=str(owner.pk), proof=how,
        overlap_hours=claim.overlap_hours,
    )  # fmt: skip
    return claim


def _by_mail(token: ScimToken, owner: User, code: str) -> TokenClaim | None:
    """The claim whose mailed code this is: the last one, in time, and not after too many wrong ones."""
    mailed = TokenClaim.objects.filter(token=token, owner=owner, code_expires_at__isnull=False)
    last = mailed.select_for_update().order_by("-requested_at").first()
    if last is None or last.proved_at or last.wrong_codes >= TRIES or not last.code_expires_at:
        return None
    if last.code_expires_at <= timezone.now():
        return None
    if hmac.compare_digest(_digest(last, code), bytes(last.code_digest or b"")):
        return last
    last.wrong_codes += 1
    last.save(update_fields=["wrong_codes"])
    return None


def _owner(token: ScimToken, owner: User) -> User:
    """The person, locked. Raises Refused as below."""
    owner = people.lock(owner)
    _require_owner(token, owner)
    return owner


def _require_owner(token: ScimToken, owner: User) -> None:
    """Raises Refused unless they are an Owner of the token's workspace with access."""
    if owner.workspace_id != token.workspace_id or not owner.is_owner:
        raise Refused(f"{owner.user_name} is no Owner of this workspace. Only an Owner can have a token renewed.")


def _open() -> QuerySet[TokenClaim]:
    return TokenClaim.objects.filter(proved_at__isnull=False, claimed_at=None, expires_at__gt=timezone.now())


def _new(token: ScimToken, owner: User, actor: Actor) -> TokenClaim:
    return TokenClaim(workspace_id=token.workspace_id, token=token, owner=owner, requested_by=actor.to_json())


def _digest(claim: TokenClaim, code: str) -> bytes:
    """Keyed, since a dump of the database would tell eight digits by trying them all."""
    return salted_hmac("scim.claims", f"{claim.pk}/{code}", algorithm="sha256").digest()


def _code_mail(claim: TokenClaim, code: str) -> EmailMessage:
    text = (
        f"Somebody asked Cerby's support to renew the SCIM token “{claim.token.label}”.\n\n"
        f"If it was you, tell them this code: {code[:4]} {code[4:]}\nIt counts for 15 minutes, once.\n\n"
        "If it was not you, tell nobody, and let the other Owners know that somebody tried.\n"
    )
    return EmailMessage("[Cerby] A code for support", text, to=[claim.owner.email])


def _claim_mail(claim: TokenClaim) -> EmailMessage:
    text = (
        f"A new SCIM token waits for you in the place of “{claim.token.label}”. Take it within a day:\n\n"
        f"{address(claim.token)}\n\n"
        "It is made when you take it, and shown to you alone. If you did not ask support for it, do not take it, revoke"
        " the present token, and let the other Owners know.\n"
    )
    return EmailMessage("[Cerby] Your new SCIM token", text, to=[claim.owner.email])
