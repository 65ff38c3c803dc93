"""Grants, with what their end sets off."""

from django.contrib import admin

from rotation.departures import triggers
from workspace.admin.grants import GrantAdmin
from workspace.models import Grant


@admin.register(Grant)
class TriggeringGrantAdmin(GrantAdmin):
    """Whose grant ends here may have to forget a password."""

    end_grant = staticmethod(triggers.end_grant)
    change_role = staticmethod(triggers.change_role)
