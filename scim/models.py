"""The tables of the door: tokens that identity providers come in with."""

from django.db import models
from django.utils import timezone

from workspace.models import TenantModel


class ScimToken(TenantModel):
    """A bearer token of one workspace's identity provider. Only the SHA-256 digest is stored."""

    label = models.CharField(max_length=80)
    lookup = models.CharField(max_length=16, unique=True, editable=False)
    digest = models.BinaryField(max_length=32, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.JSONField(default=dict, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    last_used_from = models.GenericIPAddressField(null=True, editable=False)

    class Meta:
        verbose_name = "SCIM token"

    def __str__(self) -> str:
        return self.label

    @property
    def is_valid(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()
