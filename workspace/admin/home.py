"""What the home page says about people and how they sign in."""

from django.db.models import Count, Exists, OuterRef, Q
from django.http import HttpRequest
from django.urls import reverse

from workspace import break_glass
from workspace.admin.base import visitor
from workspace.console import Card, Figure, home_card
from workspace.models import Role, TotpDevice, User
from workspace.models.people import with_access


@home_card
def people(request: HttpRequest) -> Card:
    workspace = visitor(request).workspace
    present = User.objects.present()
    present = present if workspace is None else present.for_workspace(workspace)
    counts = present.aggregate(
        active=Count("pk", filter=with_access()),
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


@home_card
def sign_in(request: HttpRequest) -> Card:
    """Whether Owners are safe at the door, and whether one gets in when the identity provider is down."""
    workspace = visitor(request).workspace
    owners = User.objects.active().filter(role=Role.OWNER)
    owners = owners.filter(workspace__isnull=False) if workspace is None else owners.for_workspace(workspace)
    confirmed = TotpDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
    page = f"{reverse('admin:workspace_user_changelist')}?role=owner&state=active"
    bare = owners.filter(~Exists(confirmed)).count()
    figures = [Figure("Owners without a second factor", bare, f"{page}&second_factor=none", "warning")]
    if workspace is not None:
        alone = len(break_glass.owners(workspace))
        figures.append(Figure("Get in without Okta", alone, f"{page}&second_factor=set&managed=local", "success"))
    return Card("Signing in", "lock", figures, break_glass.warning(workspace) if workspace else "")
