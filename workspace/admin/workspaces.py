"""Workspaces: for platform staff the list of customers, for an Owner their own."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from workspace.admin.base import ConsoleAdmin, visitor
from workspace.admin.parts import Detail, Fact, when
from workspace.models import Workspace


@admin.register(Workspace)
class WorkspaceAdmin(ConsoleAdmin):
    """Made and named by support's commands; looked at here."""

    list_display = ("name", "slug", "rotation_policy", "created")
    search_fields = ("name", "slug")
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = ModelAdmin.get_queryset(self, request)
        own = visitor(request).workspace_id
        return rows if own is None else rows.filter(pk=own)

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        return self.list_display

    def get_list_filter(self, request: HttpRequest) -> tuple[Any, ...]:
        return ()

    @admin.display(description="Since", ordering="created_at")
    def created(self, workspace: Workspace) -> str:
        return when(workspace.created_at)

    def detail(self, request: HttpRequest, obj: Workspace) -> Detail:
        facts = [
            Fact("Name", obj.name),
            Fact("Slug", obj.slug),
            Fact("A departure rotates", obj.get_rotation_policy_display()),
            Fact("Since", when(obj.created_at)),
        ]
        return Detail(facts)
