"""What acme's credentials are tried on: addresses filled with rival's ids, and rival's rows before and after."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.urls import URLPattern, URLResolver

from rotation.models import Exposure, Offboarding, RotationJob
from scim.models import ScimToken
from tests.companies import Company
from workspace import sessions, urls
from workspace.models import (
    Account,
    ApiKey,
    AuditEvent,
    AuditSeal,
    Grant,
    Reveal,
    Session,
    TeamMembership,
    User,
)

METHODS = ("get", "post", "put", "patch", "delete")


def routes() -> list[str]:
    """The routes of `workspace.urls`, such as "api/v1/accounts/<uuid:account_id>"."""
    return [prefix + str(item.pattern) for prefix, item in _walk("", urls.urlpatterns)]


def address(route: str, company: Company) -> str:
    """The route filled with a company's own ids. A route with a part unknown here fails its rival test."""
    values: dict[str, Callable[[], Any]] = {
        "<uuid:account_id>": lambda: company.account.id,
        "<uuid:key_id>": lambda: ApiKey.objects.for_workspace(company.workspace).get().id,
        "<uuid:user_id>": lambda: company.member.id,
        "<str:token>": lambda: "choose",
        "<str:handle>": lambda: session_of(company),
    }
    for part, value in values.items():
        route = route.replace(part, str(value())) if part in route else route
    assert "<" not in route, f"{route} needs a value here, so that the rival test covers it."
    return f"/{route}"


def session_of(company: Company) -> str:
    """What pages call a session of the member's."""
    if not sessions.open_of(company.member):
        company.browser(company.member)
    return sessions.open_of(company.member)[0].digest


def ids(company: Company) -> set[UUID]:
    return {company.workspace.id, company.owner.id, company.member.id, company.team.id, company.account.id}


def everything(company: Company) -> dict[str, Any]:
    """Every row of the company that a page or command could touch, to compare before and after."""
    models = (
        Account, ApiKey, AuditEvent, AuditSeal, Exposure, Grant, Offboarding, Reveal, RotationJob, ScimToken,
        TeamMembership, User,
    )  # fmt: skip
    rows: dict[str, Any] = {
        model.__name__: list(model.objects.filter(workspace=company.workspace).order_by("pk").values())
        for model in models
    }
    rows["Session"] = list(Session.objects.filter(user__workspace=company.workspace).values())
    return rows


def _walk(prefix: str, patterns: list[Any]) -> list[tuple[str, URLPattern]]:
    found = []
    for item in patterns:
        if isinstance(item, URLResolver):
            found += _walk(prefix + str(item.pattern), item.url_patterns)
        else:
            found.append((prefix, item))
    return found
