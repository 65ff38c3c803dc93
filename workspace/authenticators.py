"""Verbs on authenticators: the secrets from which a shared login's one-time codes are made (RFC 6238), and the codes.

A code that was handed out is never handed out again, whatever dies in between: sites refuse it the second time, and
some lock the login for it. The step it belongs to is committed before the code leaves.
"""

import base64
import binascii
import time
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from workspace import audit, crypto, one_time_codes
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.db.unit_of_work import atomic
from workspace.errors import CerbyError, Invalid, NotFound
from workspace.models import Account, Authenticator

LEAST_BYTES: Final = 10  # RFC 4226 asks for 16; sites that give 80 bits are many
LIMITS: Final = {"digits": range(6, 9), "period": range(1, 301)}
_UNUSABLE: Final = (
    "Enter the key as the site shows it beside the QR code (letters A to Z, digits 2 to 7), or the otpauth:// address."
)


class NoCodeYet(CerbyError):
    """The present code was handed out already; the next one comes in `seconds`."""

    code = "no_code_yet"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The present one-time code was used already; the next one comes in {seconds:.0f} s.")
        self.seconds = seconds


@atomic()
def enroll(account: Account, key: Secret, *, actor: Actor) -> Authenticator:
    """Seal the secret of the account's authenticator, in the place of a former one. Raises Invalid for no such key.

    `key` is Base32 as sites show it, blanks and case aside, or an `otpauth://totp/` address.
    """
    secret, facts = _read(key.reveal())
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    row, _ = Authenticator.objects.update_or_create(
        account=account, workspace_id=account.workspace_id,
        defaults={"sealed": crypto.seal_at(secret, _place(account)), "last_step": 0, **facts},
    )  # fmt: skip
    audit.record(account.workspace, Verb.ACCOUNT_AUTHENTICATOR_STORED, account, actor=actor)
    return row


@atomic()
def remove(account: Account, *, actor: Actor) -> None:
    """Forget the account's authenticator; one that there is not is no event."""
    if Authenticator.objects.filter(account=account).delete()[0]:
        audit.record(account.workspace, Verb.ACCOUNT_AUTHENTICATOR_REMOVED, account, actor=actor)


def find(account: Account) -> Authenticator | None:
    return Authenticator.objects.filter(account=account).first()


def next_code(account: Account, *, within: float) -> Secret:
    """A code that was never handed out, waited for up to `within` seconds.

    Raises NotFound without an authenticator, NoCodeYet when the next code comes too late, Undecryptable.
    """
    until = time.monotonic() + within
    while True:
        code = _take(account)
        if isinstance(code, Secret):
            return code
        if time.monotonic() + code > until:
            raise NoCodeYet(code)
        time.sleep(code)


def _take(account: Account) -> Secret | float:
    """The code of the present step, which is then taken; or the seconds until there is one to take."""
    with atomic():
        row = Authenticator.objects.select_for_update(no_key=True).filter(account=account).first()
        if row is None:
            raise NotFound(f"No authenticator secret is stored for {account}.")
        now = time.time()
        step = one_time_codes.step_at(now, row.period)
        if step <= row.last_step:
            return max(0.05, (row.last_step + 1) * row.period - now)
        Authenticator.objects.filter(pk=row.pk).update(last_step=step)
    key = base64.b32decode(crypto.unseal_at(bytes(row.sealed), _place(account)).reveal())
    return Secret(one_time_codes.code_of(key, step, digits=row.digits, algorithm=row.algorithm))


def _read(text: str) -> tuple[Secret, dict[str, Any]]:
    """The key in padded Base32, and what its address says of digits, period and algorithm. Raises Invalid."""
    given: dict[str, str] = {}
    if text.strip().lower().startswith("otpauth:"):
        parts = urlsplit(text.strip())
        if parts.netloc.lower() != "totp":
            raise Invalid("Only time-based codes (otpauth://totp/) can be made here.", field="key")
        given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        text = given.get("secret", "")
    key = "".join(text.split()).replace("-", "").rstrip("=").upper()
    key += "=" * (-len(key) % 8)
    try:
        raw = base64.b32decode(key)
    except (binascii.Error, ValueError):
        raise Invalid(_UNUSABLE, field="key") from None
    if len(raw) < LEAST_BYTES:
        raise Invalid(f"This key is too short to be one. {_UNUSABLE}", field="key")
    return Secret(key), _facts(given)


def _facts(given: dict[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = {"digits": 6, "period": 30, "algorithm": given.get("algorithm", "SHA1").upper()}
    for name, allowed in LIMITS.items():
        text = given.get(name, str(facts[name]))
        if not text.isdecimal() or int(text) not in allowed:
            raise Invalid(f"The address says {name}={text}, which no authenticator does.", field="key")
        facts[name] = int(text)
    if facts["algorithm"] not in one_time_codes.ALGORITHMS:
        raise Invalid("The address names an algorithm that no authenticator has.", field="key")
    return facts


def _place(account: Account) -> str:
    return f"authenticator/{account.workspace_id}/{account.pk}"
