"""The keys with which a workspace signs what it hands to others."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from workspace.models.tenancy import TenantModel


class SigningKey(TenantModel):
    """An Ed25519 key pair (RFC 8032). The private half is sealed for this row; `kid` is the public half's thumbprint
    (RFC 7638). Retired keys are kept: what they signed stays verifiable."""

    kid = models.CharField(max_length=43, unique=True)
    public = models.BinaryField(max_length=32)
    sealed = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("workspace", condition=Q(retired_at=None), name="signing_key_one_live"),
        ]

    def __str__(self) -> str:
        return self.kid
