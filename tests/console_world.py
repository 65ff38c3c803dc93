"""What the console's tests look at: companies with a row of every kind, and the addresses of every page."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse
from django.utils import timezone

from rotation import jobs
from rotation.departures import offboarding
from rotation.models import AccessLoss, Exposure, MassRemoval, Offboarding, Orphan, RotationJob
from rotation.states import JobState
from scim.models import ProvisioningEvent, ScimToken, SwitchOff, TokenClaim
from tests.companies import PASSWORD, TESTS, Company, password_hash
from workspace import access, accounts, audit, deliveries, notices, people, teams, webhooks
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.models import AuditEvent, Delivery, Notice, TenantModel, User, WebhookEndpoint

DEPARTURE: Final = "Contract ended"


def populate(company: Company) -> None:
    """Somebody was offboarded, so that there are exposures and a rotation that needs a person; the chain is sealed."""
    leaver = company.person("leaver")
    teams.add_members(company.team, [leaver.pk], actor=TESTS)
    access.reveal(company.account, leaver, actor=Actor.person(leaver))
    offboarding.offboard(leaver, actor=Actor.person(company.owner), cause=DEPARTURE)
    needs_person(company)
    company.okta().delete(f"/scim/v2/Groups/{company.owner.pk}")  # refused: an event of the provisioning log
    told_something(company)
    lost_something(company)
    may_claim(company)
    switched_off(company)
    while audit.seal(company.workspace):
        pass


def told_something(company: Company) -> None:
    """A webhook endpoint, and a notice with a delivery to it."""
    url = f"https://hooks.{company.workspace.slug}.example/"
    webhooks.add(company.workspace, url, actor=Actor.person(company.owner))
    notices.configure(company.workspace, actor=TESTS, mail_kinds=[], exposure_hours=24)
    summary = f"{company.account} of {company.workspace} has no owner."
    notices.tell(company.workspace, Notice.Kind.ORPHAN, company.account, summary=summary)
    deliveries.dispatch()


def switched_off(company: Company) -> None:
    """Provisioning was switched off once, for a while."""
    SwitchOff.objects.create(
        workspace=company.workspace, people="keep", actor=Actor.person(company.owner).to_json(), tokens=1,
        finished_at=timezone.now(),
    )  # fmt: skip


def may_claim(company: Company) -> None:
    """Support prepared a new token for the Owner."""
    token, now = ScimToken.objects.for_workspace(company.workspace).get(), timezone.now()
    TokenClaim.objects.create(
        workspace=company.workspace, token=token, owner=company.owner, proved_at=now,
        expires_at=now + timedelta(hours=1), overlap_hours=2, requested_by=TESTS.to_json(),
    )  # fmt: skip


def lost_something(company: Company) -> None:
    """An account without an Owner, a loss of access, and a removal of many people that was called off."""
    now = timezone.now()
    Orphan.objects.create(workspace=company.workspace, account=company.account)
    AccessLoss.objects.create(
        workspace=company.workspace, kind="team_left", team=company.team, cause="Operations", settled_at=now,
        actor=Actor.person(company.owner).to_json(),
    )  # fmt: skip
    MassRemoval.objects.create(
        workspace=company.workspace, removed=12, people=40, held_until=now, decided_at=now, decision="cancelled",
        decided_by=Actor.person(company.owner).to_json(),
    )  # fmt: skip


def needs_person(company: Company) -> RotationJob:
    """The company's rotation, stopped as the engine stops it for a login that is changed by hand."""
    job = RotationJob.objects.for_workspace(company.workspace).live().get()
    lease = jobs.claim(job.pk, worker="tests")
    assert lease is not None
    jobs.ask_human(lease, code="human", detail="This login is changed by hand.", resume=JobState.QUEUED)
    job.refresh_from_db()
    return job


def grow(company: Company, number: int, *, name: str) -> None:
    """More of everything, for counting statements."""
    local = [teams.create(company.workspace, f"Team {name} {n}", actor=TESTS) for n in range(number)]
    for n, team in enumerate(local):
        user = company.person(f"extra-{name}{n}")
        teams.add_members(team, [user.pk, company.member.pk], actor=TESTS)
        account = accounts.create(company.workspace, f"Account {name} {n}", actor=TESTS, password=Secret(f"pw-{n}"))
        access.grant(account, team, actor=TESTS)
        access.grant(company.account, user, actor=Actor.person(company.owner))
        access.grant(account, user, actor=TESTS, role="owner")
        access.grant(account, company.member, actor=TESTS)
        access.reveal(account, company.member, actor=Actor.person(company.member))
        offboarding.offboard(user, actor=Actor.person(company.owner), cause=DEPARTURE)
        teams.add_members(company.team, [company.person(f"stays-{name}{n}").pk], actor=TESTS)
        people.set_role(company.member, "admin" if n % 2 else "member", actor=Actor.person(company.owner))  # type: ignore[arg-type]


def support() -> User:
    """One of the platform's staff."""
    return User.objects.create(
        workspace=None, user_name="support@platform.example", email="support@platform.example", password=password_hash()
    )


# The row of a company that each model's pages are visited with. A page of a model that is not here fails its tests.
ROWS: Final[dict[str, Callable[[Company], Model]]] = {
    "workspace_user": lambda company: company.member,
    "workspace_team": lambda company: company.team,
    "workspace_account": lambda company: company.account,
    "workspace_grant": lambda company: company.grant,
    "workspace_workspace": lambda company: company.workspace,
    "workspace_auditevent": lambda company: AuditEvent.objects.filter(workspace=company.workspace).earliest("id"),
    "workspace_notice": lambda company: Notice.objects.for_workspace(company.workspace).get(kind=Notice.Kind.ORPHAN),
    "workspace_delivery": lambda company: Delivery.objects.for_workspace(company.workspace).get(notice__kind="orphan"),
    "workspace_webhookendpoint": lambda company: WebhookEndpoint.objects.for_workspace(company.workspace).get(),
    "rotation_offboarding": lambda company: Offboarding.objects.for_workspace(company.workspace).get(),
    "rotation_exposure": lambda company: Exposure.objects.for_workspace(company.workspace).earliest("opened_at"),
    "rotation_orphan": lambda company: Orphan.objects.for_workspace(company.workspace).earliest("opened_at"),
    "rotation_accessloss": lambda company: AccessLoss.objects.for_workspace(company.workspace).earliest("at"),
    "rotation_massremoval": lambda company: MassRemoval.objects.for_workspace(company.workspace).get(),
    "rotation_rotationjob": lambda company: RotationJob.objects.for_workspace(company.workspace).get(),
    "scim_scimtoken": lambda company: ScimToken.objects.for_workspace(company.workspace).get(),
    "scim_switchoff": lambda company: SwitchOff.objects.for_workspace(company.workspace).get(),
    "scim_provisioningevent": lambda company: ProvisioningEvent.objects.for_workspace(company.workspace).get(),
}


def pages() -> dict[str, URLPattern]:
    """Every named address of the admin site, whatever is registered."""
    return dict(_named(admin.site.get_urls()))


def _named(patterns: list[URLPattern | URLResolver]) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _named(pattern.url_patterns)
        elif pattern.name:
            yield pattern.name, pattern


def object_pages() -> list[str]:
    return sorted(name for name, pattern in pages().items() if "object_id" in str(pattern.pattern))


def plain_pages() -> list[str]:
    """Those without an object. The list of an application's models takes the application's label."""
    return sorted(name for name, pattern in pages().items() if "<" not in str(pattern.pattern))


def address(name: str, company: Company) -> str:
    """A page, of the company's own row where it is about one."""
    if name not in object_pages():
        return reverse(f"admin:{name}")
    return reverse(f"admin:{name}", args=[row_of(name, company).pk])


def row_of(name: str, company: Company) -> Model:
    model = "_".join(name.split("_")[:2])
    return ROWS[model](company)


def forged(own: Company, other: Company) -> dict[str, Any]:
    """Everything a page might take, naming the other company wherever something can be named."""
    return {
        "workspace": str(other.workspace.pk),
        "user": str(other.member.pk), "person": str(other.member.pk), "members": str(other.member.pk),
        "team": str(other.team.pk), "account": str(other.account.pk), "admin_account": str(other.account.pk),
        "user_name": own.member.user_name, "email": "", "given_name": "Taken", "family_name": "Over",
        "display_name": "",
        "role": "owner", "reason": "forged", "cause": "forged", "password": "forged-password-1", "label": "forged",
        "url": "https://hooks.forged.example/", "description": "forged", "kinds": ["orphan"], "mail_kinds": ["orphan"],
        "exposure_hours": "3", "successor": str(other.member.pk), "people": [str(other.member.pk)],
        "accounts": [str(other.account.pk)], "last_day": "2999-12-31", "typed": own.account.name,
        "orphans": [f"{orphan}:{other.member.pk}" for orphan in _orphans(other)],
        "overlap_hours": "0", "scope": "all", "proof": PASSWORD,
        "days": "3", "name": "forged", "username": "forged", "connector": "by_hand", "password_length": "20",
        "password_classes": ["lower"], "password_excluded": "",
        "action": "delete_selected", "_selected_action": [str(other.member.pk)], "post": "yes",
    }  # fmt: skip


def _orphans(company: Company) -> list[Any]:
    return list(Orphan.objects.for_workspace(company.workspace).values_list("pk", flat=True))


def everything_of(company: Company) -> dict[str, list[Any]]:
    """Every row of the company, for comparing before and after."""
    models: list[type[Model]] = [User, AuditEvent]
    models += [model for model in apps.get_models() if issubclass(model, TenantModel)]
    rows: dict[str, list[Any]] = {}
    for model in models:
        mine = model._default_manager.filter(workspace=company.workspace)
        rows[model._meta.label] = list(mine.order_by("pk").values())
    rows["workspace"] = list(type(company.workspace).objects.filter(pk=company.workspace.pk).values())
    return rows


def act_text(company: Company, path: str) -> str:
    """What an act's confirmation page says, as the Owner sees it."""
    return " ".join(company.browser().get(path).context["act"].text)


def text_of(browser: Client, path: str, **kwargs: Any) -> str:
    return body_of(browser.get(path, **kwargs))


def body_of(answer: Any) -> str:
    """What was answered, a file that is written while it is read included."""
    return str(answer.getvalue().decode())
