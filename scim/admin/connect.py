"""Connect Okta: a checklist that ticks itself as Okta's requests arrive, and what to choose there meanwhile."""

import hashlib
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from scim import connection, doctor
from scim.admin.tokens import base_url
from scim.connection import Step
from workspace.admin.base import visitor
from workspace.admin.parts import url as page_of
from workspace.admin.parts import when
from workspace.console import console_page, is_update
from workspace.models import Workspace

# Where in Okta, what it is called there, what to choose.
SETTINGS: Final = (
    ("General → App Settings (custom app)", "Provisioning", "SCIM"),
    ("Sign On", "Application username format", "Email"),
    ("Provisioning → Integration", "Unique identifier field for users", "userName"),
    (
        "Provisioning → Integration",
        "Supported provisioning actions",
        "Import New Users and Profile Updates, Push New Users, Push Profile Updates, Push Groups",
    ),
    ("Provisioning → Integration", "Authentication Mode", "HTTP Header"),
    ("Provisioning → To App", "Create Users, Update User Attributes, Deactivate Users", "Enable"),
    ("Push Groups", "Push Groups", "Find groups by name, or Find groups by rule"),
)


@console_page("connect-okta/", "connect_okta")
def connect_okta(request: HttpRequest) -> HttpResponse:
    """Owners see their own workspace's; platform staff name one in the address."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    request.current_app = admin.site.name  # read by Django's admin templates
    mine = visitor(request).workspace
    asked = "" if mine else request.GET.get("workspace", "")
    workspace = mine or Workspace.objects.filter(slug=asked).first()
    context = _progress(workspace, asked) if workspace else {}
    if is_update(request):
        return _update(request, context)
    return TemplateResponse(
        request, "admin/console/connect_okta.html",
        {
            **admin.site.each_context(request), **context, "title": "Connect Okta", "workspace": workspace,
            "asked": asked, "base_url": base_url(), "settings": SETTINGS, "log": _log(),
        },
    )  # fmt: skip


def _update(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Nothing if the page shows it already, so that a screen reader is not told the same every five seconds."""
    if not context or request.GET.get("seen") == context["seen"]:
        return HttpResponse(status=204)
    return TemplateResponse(request, "admin/console/connect_okta_progress.html", context)


def _progress(workspace: Workspace, asked: str) -> dict[str, Any]:
    steps, warnings = connection.steps(workspace), doctor.warnings(workspace)
    done = sum(step.done for step in steps)
    shown = repr([(step.done, step.seen and step.seen.pk) for step in steps] + list(warnings))
    seen = hashlib.sha256(shown.encode()).hexdigest()[:16]
    query = {"seen": seen, "workspace": asked} if asked else {"seen": seen}
    return {
        "steps": [_shown(step) for step in steps], "warnings": warnings, "done": done, "complete": done == len(steps),
        "seen": seen, "poll": f"{reverse('admin:connect_okta')}?{urlencode(query)}",
    }  # fmt: skip


def _shown(step: Step) -> dict[str, Any]:
    return {
        "title": step.title, "how": step.how, "done": step.done, "when": when(step.at) if step.at else "",
        "seen": str(step.seen) if step.seen else "", "link": page_of(step.seen) if step.seen else "",
    }  # fmt: skip


def _log() -> str:
    return f"{reverse('admin:scim_provisioningevent_changelist')}?result=refused"
