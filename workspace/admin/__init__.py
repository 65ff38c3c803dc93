"""The console's pages of the ground floor. People and accounts are registered in `rotation.admin`, which adds to
them what a departure sets off."""

from django.contrib import admin
from django.contrib.auth.models import Group

from workspace.admin import audit, grants, home, notices, teams, webhooks, workspaces

# Django's permission groups decide nothing here; `workspace.models.Team` is the group of the product.
admin.site.unregister(Group)

__all__ = ["audit", "grants", "home", "notices", "teams", "webhooks", "workspaces"]
