"""The second factor of those who sign in with a password: set up, verified, lost, taken away.

Mandatory for Owners and platform staff once their grace period is over (`deadline`), optional for everybody else.
A departure ends it with the rest of the access: who comes back sets up a new one.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote, urlencode

from django.conf import settings
from django.utils import timezone

from workspace import audit, people, takeovers
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.db.unit_of_work import atomic
from workspace.errors import Conflict, Invalid, Refused
from workspace.models import RecoveryCode, Session, TotpDevice, User

ISSUER: Final = "Cerby"
CODES: Final = 10
_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 that nobody mistakes for each other: five bits each
_CODE_LENGTH: Final = 16
_SETTING_UP: Final = timedelta(minutes=30)


@dataclass(frozen=True)
class Enrolment:
    """What an authenticator app needs: `key` to type (base32), `uri` for the QR code (otpauth://)."""

    key: Secret
    uri: Secret


def is_enrolled(user: User) -> bool:
    """Whether a code is asked for when this person signs in."""
    known = getattr(user, "has_second_factor", None)
    return bool(known) if known is not None else TotpDevice.objects.filter(user=user, confirmed=True).exists()


def deadline(user: User) -> datetime | None:
    """Until when an Owner or one of the platform's staff may do without; None for everybody else."""
    if user.is_platform_staff:
        since: datetime = user.created_at
    elif user.is_owner:
        since = user.owner_since or user.created_at
    else:
        return None
    return since + timedelta(days=settings.SECOND_FACTOR_GRACE_DAYS)


def is_overdue(user: User) -> bool:
    """Whether the person has to set up a second factor before anything else."""
    until = deadline(user)
    return until is not None and until <= timezone.now() and not is_enrolled(user)


@atomic()
def begin(user: User) -> Enrolment:
    """A new key for an authenticator app. It opens nothing until `confirm`; what there was goes on until then."""
    user = _active(user)
    TotpDevice.objects.filter(user=user, confirmed=False).delete()
    key = secrets.token_bytes(20)  # RFC 4226 section 4, R6
    device = TotpDevice(workspace=user.workspace, user=user, name="Authenticator app", confirmed=False)
    device.seal(key)
    device.save(force_insert=True)
    return _enrolment(user, key)


def begun(user: User) -> Enrolment:
    """The same once more, for a page that is shown again. Raises Refused for none, or an old one."""
    device = _unconfirmed(user)
    return _enrolment(user, device.key())


@atomic()
def confirm(user: User, code: str, *, actor: Actor) -> list[Secret]:
    """Prove that the app has the key: from now on codes are asked for. Returns the recovery codes, shown this once.

    The person's sessions end, since nobody proved a second factor in them; the caller renews the one at hand. Raises
    Invalid for a wrong code.
    """
    user = _active(user)
    device = _unconfirmed(user, locked=True)
    if not device.verify_token("".join(code.split())):
        raise Invalid("This code does not fit. Look whether the clock of your phone is right.", field="code")
    former = TotpDevice.objects.filter(user=user, confirmed=True).delete()[0]
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    Session.objects.filter(user=user).delete()
    codes = _new_codes(user)
    verb = Verb.SECOND_FACTOR_REPLACED if former else Verb.SECOND_FACTOR_SET_UP
    audit.record(user.workspace, verb, user, actor=actor)
    return codes


def verify(user: User, answer: str) -> str | None:
    """Use up a code of the app or a recovery code: "totp", "recovery", or None for what fits neither."""
    answer = "".join(answer.split()).replace("-", "").lower()
    with atomic():
        if answer.isdigit():
            device = TotpDevice.objects.select_for_update(no_key=True).filter(user=user, confirmed=True).first()
            return "totp" if device is not None and device.verify_token(answer) else None
        return "recovery" if _use_recovery_code(user, answer) else None


def codes_left(user: User) -> int:
    return RecoveryCode.objects.filter(user=user, used_at=None).count()


@atomic()
def renew_codes(user: User, *, actor: Actor) -> list[Secret]:
    """New recovery codes, shown this once, in the place of all former ones. Raises Refused without a second factor."""
    user = _active(user)
    if not TotpDevice.objects.filter(user=user, confirmed=True).exists():
        raise Refused("Recovery codes belong to a second factor. Set one up first.")
    audit.record(user.workspace, Verb.SECOND_FACTOR_CODES_RENEWED, user, actor=actor)
    return _new_codes(user)


@atomic()
def remove(user: User, *, actor: Actor) -> None:
    """Do without again. Raises Refused for those who must not."""
    user = _active(user)
    if deadline(user) is not None:
        raise Refused("Owners need a second factor. Set up another one in its place instead.")
    _take_away(user, Verb.SECOND_FACTOR_REMOVED, actor)


@atomic()
def reset(user: User, *, actor: Actor) -> None:
    """Take away the second factor of somebody who lost it, and end their sessions. They set up a new one at their
    next sign-in. Raises Conflict where there is none."""
    user = _active(user)
    if actor.kind == "person" and actor.id == user.pk:
        raise Refused("Ask another Owner to reset your second factor, or use a recovery code.")
    if not TotpDevice.objects.filter(user=user, confirmed=True).exists():
        raise Conflict(f"{user} has no second factor.")
    _take_away(user, Verb.SECOND_FACTOR_RESET, actor)
    takeovers.note(user, actor=actor, done="Somebody took away the second factor with which you sign in to Cerby.")
    Session.objects.filter(user=user).delete()


def _take_away(user: User, verb: Verb, actor: Actor) -> None:
    TotpDevice.objects.filter(user=user).delete()
    RecoveryCode.objects.filter(user=user).delete()
    audit.record(user.workspace, verb, user, actor=actor)


def _active(user: User) -> User:
    found = people.lock(user)
    if not found.has_access:
        raise Refused(f"{found} has no access.")
    return found


def _unconfirmed(user: User, *, locked: bool = False) -> TotpDevice:
    rows = TotpDevice.objects.filter(user=user, confirmed=False, created_at__gt=timezone.now() - _SETTING_UP)
    device: TotpDevice | None = (rows.select_for_update(no_key=True) if locked else rows).first()
    if device is None:
        raise Refused("This took too long. Begin again with a new code.")
    return device


def _enrolment(user: User, key: bytes) -> Enrolment:
    text = base64.b32encode(key).decode()
    place = user.workspace.slug if user.workspace else "platform"
    label = quote(f"{ISSUER}:{user.email or user.user_name} ({place})")
    return Enrolment(Secret(text), Secret(f"otpauth://totp/{label}?{urlencode({'secret': text, 'issuer': ISSUER})}"))


def _new_codes(user: User) -> list[Secret]:
    RecoveryCode.objects.filter(user=user).delete()
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH)) for _ in range(CODES)]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(workspace=user.workspace, user=user, digest=_digest(user, code)) for code in codes
    )
    return [Secret("-".join(code[n : n + 4] for n in range(0, _CODE_LENGTH, 4))) for code in codes]


def _use_recovery_code(user: User, code: str) -> bool:
    unused = RecoveryCode.objects.filter(user=user, digest=_digest(user, code), used_at=None)
    return bool(unused.update(used_at=timezone.now()))


def _digest(user: User, code: str) -> bytes:
    return hashlib.sha256(f"{user.pk}/{code}".encode()).digest()
