"""The two models that django-scim2's default adapters ask for."""

# mypy: ignore-errors

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django_scim.models import AbstractSCIMGroupMixin, AbstractSCIMUserMixin


class Group(AbstractSCIMGroupMixin):
    """A group with the column that SCIMGroup reads."""

    name = models.CharField(max_length=150, unique=True)

    class Meta:
        app_label = "stock"

    def __str__(self) -> str:
        return self.name


class User(AbstractSCIMUserMixin, AbstractUser):
    """Django's own user, with SCIM's columns and the relation that SCIMUser and SCIMGroup read."""

    scim_groups = models.ManyToManyField(Group, related_name="user_set")
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        app_label = "stock"
