"""The second factor: an authenticator app by its shared key, and the codes for the day it is lost."""

from datetime import timedelta
from typing import Any, Final

from django.db import models
from django.db.models import Q
from django.db.models.functions import Substr
from django.utils import timezone
from django_otp.models import Device, ThrottlingMixin
from uuid_utils.compat import uuid7

from workspace import crypto, one_time_codes
from workspace.models.people import User
from workspace.models.tenancy import TenantQuerySet, Workspace

DIGITS: Final = 6
STEP_SECONDS: Final = 30
LONGEST_PAUSE: Final = timedelta(minutes=15)


class TotpDevice(ThrottlingMixin, Device):  # type: ignore[misc]  # django-otp is untyped
    """An authenticator app (RFC 6238). Its key is sealed; until `confirmed` it opens nothing.

    Verifying counts, so the row is locked by whoever does it. django-otp's pause after each wrong code doubles
    without end; here it ends at a quarter of an hour, since others may type wrong codes, too.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, null=True, editable=False, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    sealed = models.BinaryField()
    last_step = models.BigIntegerField(default=-1)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("user", "confirmed", name="totp_one_each")]
        indexes = [models.Index(Substr("sealed", 2, 4), name="totp_key_id")]  # `workspace.key_ids`

    def __str__(self) -> str:
        return str(self.name)

    def get_throttle_factor(self) -> int:
        return 1

    def verify_is_allowed(self) -> tuple[bool, dict[str, Any] | None]:
        failed_at = self.throttling_failure_timestamp
        if failed_at is not None and timezone.now() >= failed_at + LONGEST_PAUSE:
            return True, None
        allowed: tuple[bool, dict[str, Any] | None] = super().verify_is_allowed()
        return allowed

    def verify_token(self, token: str) -> bool:
        """Whether this is the code of now, or of one step before or after. Each code fits once."""
        if not self.verify_is_allowed()[0]:
            return False
        step = one_time_codes.matching_step(
            self.key(), token, after=self.last_step, period=STEP_SECONDS, digits=DIGITS
        )
        if step is not None:
            self.last_step, self.last_used_at = step, timezone.now()
            self.throttle_reset(commit=False)
            self.save()
            return True
        self.throttle_increment()
        return False

    def seal(self, key: bytes) -> None:
        self.sealed = crypto.seal_at(crypto.Secret(key.hex()), self._place)

    def key(self) -> bytes:
        return bytes.fromhex(crypto.unseal_at(bytes(self.sealed), self._place).reveal())

    @property
    def _place(self) -> str:
        return f"totp/{self.user_id}/{self.pk}"


class RecoveryCode(models.Model):
    """A code that takes the place of the authenticator app once. Only its SHA-256 digest is stored, which suffices
    because it carries 80 random bits."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, null=True, editable=False, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    digest = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(default=timezone.now)
    used_at = models.DateTimeField(null=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("user", "digest", name="recovery_code_unique")]
        indexes = [models.Index("user", condition=Q(used_at=None), name="recovery_code_unused")]

    def __str__(self) -> str:
        return f"Recovery code of {self.user}"
