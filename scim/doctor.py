"""What may be wrong between a workspace and its identity provider, each finding with what to do about it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

import httpx
from django.conf import settings
from django.db import connection
from django.db.models import F, QuerySet
from django.utils import timezone

from scim import causes, scopes
from scim.models import ProvisioningEvent, ScimToken
from workspace import break_glass
from workspace.models import TeamMembership, User, Workspace

LOOKED_BACK: Final = timedelta(days=7)
EXPIRES_SOON: Final = timedelta(days=20)
CLOCK_TOLERANCE: Final = timedelta(seconds=60)
CAME_BACK_WITHIN: Final = timedelta(hours=1)
ANSWER_SECONDS: Final = 5.0


class Level(StrEnum):
    """How bad a finding is: `wrong` stops provisioning or hides somebody."""

    FINE = "fine"
    ODD = "odd"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """`check` is what was looked at, `found` what there was, `advice` what to do (empty when all is well)."""

    level: Level
    check: str
    found: str
    advice: str = ""


def examine(workspace: Workspace) -> list[Finding]:
    """Look at everything; the worst first."""
    findings = [
        *_base_url(),
        *_tokens(workspace),
        *_refusals(workspace),
        *_names(workspace),
        *_comings_and_goings(workspace),
        _break_glass(workspace),
    ]
    return sorted(findings, key=lambda finding: list(Level).index(finding.level), reverse=True)


def warnings(workspace: Workspace) -> list[Finding]:
    """What is not well and is known without asking anybody, in a few statements however much there is to look at."""
    tokens = list(_valid(workspace))
    about_tokens = (*_endings(tokens), *_makers(tokens), *_scopes(tokens))
    looked_at = (_tls(), *_names(workspace), *_comings_and_goings(workspace), *about_tokens)
    return [finding for finding in looked_at if finding.level is not Level.FINE]


def _tls() -> Finding:
    url = settings.BASE_URL
    if url.startswith("https://"):
        return Finding(Level.FINE, "TLS", f"{url} is https")
    return Finding(Level.WRONG, "TLS", f"{url} is not https", "Okta speaks https only. Set CERBY_BASE_URL.")


def _base_url() -> Iterator[Finding]:
    """Whether the address Okta is given answers, over TLS, and whether our clocks agree with its."""
    url = settings.BASE_URL
    yield _tls()
    try:
        answer = httpx.get(f"{url}/health/live", timeout=ANSWER_SECONDS)
    except httpx.HTTPError as error:
        advice = "Start the web server, or mend DNS, firewall or certificate, so that Okta can reach this address."
        yield Finding(Level.WRONG, "base URL", f"{url} does not answer: {type(error).__name__}", advice)
        return
    if answer.status_code != httpx.codes.OK:
        advice = "CERBY_BASE_URL must be the address under which Cerby itself answers."
        yield Finding(Level.WRONG, "base URL", f"{url} answers {answer.status_code}", advice)
        return
    yield Finding(Level.FINE, "base URL", f"{url}/scim/v2/ answers")
    yield _clock(answer)


def _clock(answer: httpx.Response) -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        database = cursor.fetchone()[0]
    clocks = {"database": database}
    if "date" in answer.headers:
        clocks["web server"] = parsedate_to_datetime(answer.headers["date"])
    now = datetime.now(UTC)
    off = [name for name, time in clocks.items() if abs(time - now) > CLOCK_TOLERANCE]
    if off:
        advice = "Let the machines synchronise their clocks; tokens and links are judged by them."
        return Finding(Level.WRONG, "clock", f"differs by more than a minute: {', '.join(off)}", advice)
    return Finding(Level.FINE, "clock", "agrees")


def _valid(workspace: Workspace) -> QuerySet[ScimToken]:
    tokens = ScimToken.objects.for_workspace(workspace).select_related("replaced_by")
    return tokens.valid().order_by("expires_at")


def _endings(valid: list[ScimToken]) -> Iterator[Finding]:
    for token in valid:
        has_successor = token.replaced_by is not None and token.replaced_by.revoked_at is None
        if token.expires_at < timezone.now() + EXPIRES_SOON and not has_successor:
            advice = "Issue a new one and paste it into the app in Okta before then."
            yield Finding(Level.ODD, "token", f"“{token.label}” expires on {token.expires_at:%Y-%m-%d}", advice)


def _makers(valid: list[ScimToken]) -> Iterator[Finding]:
    gone = User.objects.filter(pk__in=[token.created_by.get("id") for token in valid], is_active=False)
    makers = {str(pk) for pk in gone.values_list("pk", flat=True)}
    for token in valid:
        if token.created_by.get("id") in makers:
            advice = "They may have kept it. Issue a new one, paste it into the app in Okta, and revoke this one."
            yield Finding(Level.WRONG, "token", f"“{token.label}” was issued by somebody who left", advice)


def _scopes(valid: list[ScimToken]) -> Iterator[Finding]:
    """What no token is for, where there are any."""
    advice = "Issue one for people and teams, and paste it into the app in Okta."
    if valid and not any(scopes.changes(token, scopes.USER) for token in valid):
        yield Finding(Level.WRONG, "token", "none may change people: nobody is provisioned or disabled", advice)
    if valid and not any(scopes.changes(token, scopes.GROUP) for token in valid):
        yield Finding(Level.ODD, "token", "none may change teams: pushed groups are refused", advice)


def _tokens(workspace: Workspace) -> Iterator[Finding]:
    valid = list(_valid(workspace))
    if not valid:
        yield Finding(Level.WRONG, "token", "none is valid", "Issue one in Cerby and paste it into the app in Okta.")
        return
    yield from _endings(valid)
    yield from _makers(valid)
    yield from _scopes(valid)
    used = max((token.last_used_at for token in valid if token.last_used_at), default=None)
    tested = max((token.tested_at for token in valid if token.tested_at), default=None)
    if used is None:
        advice = "Press Test Connector Configuration under Provisioning → Integration in Okta."
        yield Finding(Level.WRONG, "token", "none was ever used", advice)
    else:
        yield Finding(Level.FINE, "token", f"last used {used:%Y-%m-%d %H:%M} UTC")
    seen = f"last seen {tested:%Y-%m-%d %H:%M} UTC" if tested else "never seen"
    yield Finding(Level.FINE if tested else Level.ODD, "connection test", seen)


def _refusals(workspace: Workspace) -> Iterator[Finding]:
    since = timezone.now() - LOOKED_BACK
    refused = ProvisioningEvent.objects.for_workspace(workspace).select_related("token")
    refused = refused.filter(at__gte=since, status__gte=400)
    counted: Counter[causes.Cause] = Counter(cause for event in refused.iterator() if (cause := causes.of(event)))
    if not counted:
        yield Finding(Level.FINE, "requests of the last 7 days", "none was refused")
    for cause, number in counted.most_common():
        yield Finding(Level.WRONG, f"{number} × {cause.name}", cause.words, cause.remedy)


def _break_glass(workspace: Workspace) -> Finding:
    """Whether anybody gets in while the provider is down."""
    if advice := break_glass.warning(workspace):
        return Finding(Level.ODD, "break-glass Owner", "nobody signs in without the identity provider", advice)
    names = ", ".join(owner.user_name for owner in break_glass.owners(workspace))
    return Finding(Level.FINE, "break-glass Owner", names)


def _names(workspace: Workspace) -> Iterator[Finding]:
    apart = User.objects.filter(workspace=workspace).named_apart()
    number = apart.count()
    if number:
        some = ", ".join(apart.order_by("user_name").values_list("user_name", flat=True)[:5])
        found = f"{number} differ from the e-mail address: {some}{' …' if number > 5 else ''}"
        yield Finding(Level.ODD, "userName", found, "Choose Email as the application username format in Okta.")
    else:
        yield Finding(Level.FINE, "userName", "is everybody's e-mail address")


def _comings_and_goings(workspace: Workspace) -> Iterator[Finding]:
    """One Okta group used for assignment and for push shows as people who leave a team and come back at once."""
    recent = TeamMembership.objects.for_workspace(workspace).filter(
        team__provisioned_at__isnull=False, team__disbanded_at=None, joined_at__gte=timezone.now() - LOOKED_BACK
    )
    returns = recent.filter(
        user__memberships__team=F("team"),
        user__memberships__left_at__lte=F("joined_at"),
        user__memberships__left_at__gte=F("joined_at") - CAME_BACK_WITHIN,
    )
    names = sorted(set(returns.values_list("team__display_name", flat=True)))
    for name in names:
        yield Finding(
            Level.ODD,
            "group used twice",
            f"people leave “{name}” and come back within the hour",
            "Okta does not support one group for both assignment and push. Push a group of its own.",
        )
    if not names:
        yield Finding(Level.FINE, "groups", "nobody leaves and comes back")
