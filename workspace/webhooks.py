"""Verbs on webhook endpoints: addresses of the workspace's own that are sent its notices, signed.

Format and signature are those of Standard Webhooks (standardwebhooks.com). The signing secret is sealed, shown when
it is made, and never again.
"""

import base64
import secrets
from collections.abc import Collection
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from workspace import audit, crypto, deliveries
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.db.unit_of_work import atomic
from workspace.errors import Invalid, Refused
from workspace.models import CHOSEN_KINDS, Delivery, Notice, User, WebhookEndpoint, Workspace

MOST: Final = 20
OVERLAP: Final = timedelta(hours=24)
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@atomic()
def add(
    workspace: Workspace, url: str, *, actor: Actor, kinds: Collection[str] = tuple(CHOSEN_KINDS), description: str = ""
) -> tuple[WebhookEndpoint, Secret]:
    """A new endpoint and its signing secret, which is shown this once. Raises Invalid, and Refused past the limit."""
    Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    if WebhookEndpoint.objects.for_workspace(workspace).count() >= MOST:
        raise Refused(f"A workspace has at most {MOST} webhook endpoints. Change one that you do not need any more.")
    endpoint = WebhookEndpoint(workspace=workspace, shown_to=_seer(workspace, actor))
    secret = _take_secret(endpoint)
    _write(endpoint, url, kinds, description)
    endpoint.save(force_insert=True)
    audit.record(workspace, Verb.WEBHOOK_ADDED, endpoint, actor=actor, kinds=sorted(kinds))
    return endpoint, secret


@atomic()
def change(
    endpoint: WebhookEndpoint, url: str, *, actor: Actor, kinds: Collection[str], description: str
) -> WebhookEndpoint:
    """Send elsewhere, or other kinds; unchanged is no event. Raises Invalid."""
    endpoint = _lock(endpoint)
    former = {name: getattr(endpoint, name) for name in ("url", "kinds", "description")}
    _write(endpoint, url, kinds, description)
    changed = [name for name, value in former.items() if getattr(endpoint, name) != value]
    if changed:
        endpoint.save(update_fields=changed)
        audit.record(endpoint.workspace, Verb.WEBHOOK_CHANGED, endpoint, actor=actor, attributes=changed)
    return endpoint


@atomic()
def rotate_secret(endpoint: WebhookEndpoint, *, actor: Actor) -> Secret:
    """A new signing secret, shown this once. For a day messages carry the former one's signature as well."""
    endpoint = _lock(endpoint)
    endpoint.former_sealed, endpoint.former_until = endpoint.sealed, timezone.now() + OVERLAP
    endpoint.shown_to = _seer(endpoint.workspace, actor)
    secret = _take_secret(endpoint)
    endpoint.save(update_fields=["sealed", "former_sealed", "former_until", "shown_to"])
    audit.record(endpoint.workspace, Verb.WEBHOOK_SECRET_ROTATED, endpoint, actor=actor)
    return secret


@atomic()
def disable(endpoint: WebhookEndpoint, *, actor: Actor) -> None:
    """Send nothing more; what waits is given up."""
    deliveries.stop(endpoint.pk, "Disabled here.", actor=actor)


@atomic()
def enable(endpoint: WebhookEndpoint, *, actor: Actor) -> None:
    """Send again from now on."""
    endpoint = _lock(endpoint)
    if endpoint.disabled_at is not None:
        endpoint.disabled_at, endpoint.disabled_because, endpoint.failing_since = None, "", None
        endpoint.save(update_fields=["disabled_at", "disabled_because", "failing_since"])
        audit.record(endpoint.workspace, Verb.WEBHOOK_ENABLED, endpoint, actor=actor)


@atomic()
def send_test(endpoint: WebhookEndpoint, *, actor: Actor) -> Delivery:
    """A message of the kind `test`, on its way within seconds. Raises Refused for a disabled endpoint."""
    endpoint = _lock(endpoint)
    if endpoint.disabled_at is not None:
        raise Refused("The endpoint is disabled. Enable it first.")
    now = timezone.now()
    notice = Notice.objects.create(
        workspace=endpoint.workspace, kind=Notice.Kind.TEST, subject_kind="webhookendpoint", subject_id=endpoint.pk,
        summary="This is a test. Nothing happened.", told_at=now, dispatched_at=now, resolved_at=now,
    )  # fmt: skip
    audit.record(endpoint.workspace, Verb.WEBHOOK_TESTED, endpoint, actor=actor)
    return Delivery.objects.create(workspace=endpoint.workspace, notice=notice, endpoint=endpoint)


def signing_secrets(endpoint: WebhookEndpoint) -> list[Secret]:
    """Those that sign a message now, the present one first. Raises Undecryptable."""
    sealed = [bytes(endpoint.sealed)]
    if endpoint.former_sealed and endpoint.former_until and endpoint.former_until > timezone.now():
        sealed.append(bytes(endpoint.former_sealed))
    return [crypto.unseal_at(each, _place(endpoint)) for each in sealed]


def _lock(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    rows = WebhookEndpoint.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace")
    return rows.get(pk=endpoint.pk)


def _seer(workspace: Workspace, actor: Actor) -> User | None:
    """Who is shown the secret, if it is one of the workspace's own people."""
    return User.objects.filter(workspace=workspace, pk=actor.id).first() if actor.id else None


def _take_secret(endpoint: WebhookEndpoint) -> Secret:
    secret = Secret(f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}")
    endpoint.sealed = crypto.seal_at(secret, _place(endpoint))
    return secret


def _place(endpoint: WebhookEndpoint) -> str:
    return f"webhook/{endpoint.workspace_id}/{endpoint.pk}"


def _write(endpoint: WebhookEndpoint, url: str, kinds: Collection[str], description: str) -> None:
    unknown = set(kinds) - set(CHOSEN_KINDS)
    if unknown or not kinds:
        raise Invalid("Choose at least one kind of notice.", field="kinds")
    endpoint.url, endpoint.kinds, endpoint.description = _checked(url.strip()), sorted(kinds), description.strip()[:120]


def _checked(url: str) -> str:
    """An address that may be sent to. Where its name leads is judged anew at each delivery."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise Invalid("This is no web address.", field="url") from None
    if len(url) > 500 or not url.isascii() or not url.isprintable() or " " in url:
        raise Invalid("A web address has at most 500 characters, without blanks.", field="url")
    is_local = parts.scheme == "http" and host in LOOPBACK and settings.ALLOW_LOOPBACK_TARGETS
    if not host or (parts.scheme != "https" and not is_local):
        raise Invalid("The address must begin with https://.", field="url")
    if parts.username or parts.password or parts.fragment:
        raise Invalid("The address must not hold a user name, a password or a fragment.", field="url")
    return url
