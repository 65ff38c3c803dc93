"""What the home page says about people."""

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse

from workspace.admin.base import visitor
from workspace.console import Card, Figure, home_card
from workspace.models import User


@home_card
def people(request: HttpRequest) -> Card:
    workspace = visitor(request).workspace
    present = User.objects.present()
    present = present if workspace is None else present.for_workspace(workspace)
    counts = present.aggregate(
        active=Count("pk", filter=Q(is_active=True)),
        disabled=Count("pk", filter=Q(is_active=False)),
    )
    page = reverse("admin:workspace_user_changelist")
    return Card(
        "People",
        "group",
        [
            Figure("Active", counts["active"], f"{page}?state=active", "success"),
            Figure("Disabled", counts["disabled"], f"{page}?state=disabled"),
            Figure("userName is not the e-mail", present.named_apart().count(), f"{page}?name=apart", "warning"),
        ],
    )
