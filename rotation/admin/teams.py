"""Teams, with what losing their accounts sets off."""

from django.contrib import admin

from rotation.departures import triggers
from workspace.admin.teams import TeamAdmin
from workspace.models import Team


@admin.register(Team)
class TriggeringTeamAdmin(TeamAdmin):
    """Who is removed here may have to forget passwords."""

    remove_members = staticmethod(triggers.remove_members)
