"""The certificate of an offboarding: what was known, what was changed, and how it was proved, signed.

It is made from the rows whenever it is asked for, so it cannot fall behind them. An auditor needs the file and the
workspace's public key, and nothing of ours: the signature is a JWS (RFC 7515) whose payload is the certificate itself.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from math import ceil
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from rotation.departures.standing import Standing, tally_of
from rotation.models import Exposure, Offboarding, Outcome, RotationStep
from rotation.states import JobState
from workspace import audit, signing
from workspace.audit import Actor, Verb
from workspace.errors import Invalid, Refused
from workspace.models import AuditEvent, AuditSeal, SecretVersion, User
from workspace.signing import Jwk

KIND: Final = "cerby.offboarding-certificate/1"
MEASURED: Final = (Outcome.PROVED_DEAD, Outcome.CHANGED_BY_HAND, Outcome.TARGETS_WORD)
"""The outcomes that ended an exposure, and whose time therefore counts in the figures."""
_PROOFS: Final = {
    JobState.NEW_OK: "new_accepted_at",
    JobState.OLD_DEAD: "old_rejected_at",
}

Json = dict[str, Any]


def issue(offboarding: Offboarding, *, actor: Actor) -> Json:
    """`{"certificate": …, "jws": …, "key": …}`: the certificate to read, the same signed, and where the key is found.

    Recorded. Raises Refused while something of the offboarding is open.
    """
    document = describe(offboarding)
    jws = signing.sign(offboarding.workspace, json.dumps(document, separators=(",", ":")).encode())
    kid = signing.kid_of(jws)
    audit.record(offboarding.workspace, Verb.CERTIFICATE_ISSUED, offboarding, actor=actor, kid=kid)
    return {"certificate": document, "jws": jws, "key": f"{settings.BASE_URL}/certificates/keys/{kid}"}


def describe(offboarding: Offboarding) -> Json:
    """The certificate itself: what came of it first. Times are ISO 8601 with their offset, spans in seconds; what was
    not measured is null. Raises Refused while open."""
    if offboarding.completed_at is None:
        left = offboarding.exposures.open().count()
        raise Refused(f"{left} password(s) are not dealt with yet. The certificate is there when the last one is.")
    evidence = Evidence(offboarding)
    return {
        "type": KIND,
        "summary": tally_of(offboarding).record(),
        "issued_at": _time(timezone.now()),
        "issuer": settings.BASE_URL,
        "workspace": _named(offboarding.workspace, name=offboarding.workspace.name, slug=offboarding.workspace.slug),
        "offboarding": _named(offboarding, cause=offboarding.cause, by=evidence.actor(offboarding.actor)),
        "person": _named(offboarding.user, userName=offboarding.user.user_name, displayName=str(offboarding.user)),
        "access_ended_at": _time(offboarding.started_at),
        "access_ended": evidence.access_ended(),
        "completed_at": _time(offboarding.completed_at),
        "accounts": [evidence.account(exposure) for exposure in evidence.exposures],
        "figures": figures(evidence.exposures),
        "audit": evidence.audit_anchor(),
    }


def figures(exposures: Iterable[Exposure]) -> Json:
    """How many exposures ended in which way, and how long the `measured` ones lasted: median, 95th percentile, longest,
    in seconds."""
    rows = list(exposures)
    spans = sorted(span for row in rows if (span := exposure_seconds(row)) is not None)
    outcomes = {outcome.value: sum(row.outcome == outcome for row in rows) for outcome in Outcome}
    lasted = {name: _percentile(spans, percent) for name, percent in (("p50", 50), ("p95", 95), ("max", 100))}
    return {"accounts": len(rows), **outcomes, "measured": len(spans), "exposure_seconds": lasted}


def exposure_seconds(exposure: Exposure) -> float | None:
    """From the end of access to the end of the exposure; None where it has not ended."""
    ended = ended_at(exposure)
    return (ended - exposure.opened_at).total_seconds() if ended else None


def ended_at(exposure: Exposure) -> datetime | None:
    """When the password was changed for good, by proof or on somebody's word. None for one that was left as it is."""
    return exposure.closed_at if exposure.outcome in MEASURED else None


def stands(document: Json) -> Json:
    """What a certificate says came of the departure. One from before there was a summary is read by its accounts."""
    summary = document.get("summary")
    if summary:
        return {"state": Standing(summary["state"]).label, "result": summary["text"]}
    outcomes = [item["outcome"] for item in document["accounts"]]
    counted = {outcome: outcomes.count(outcome.value) for outcome in Outcome if outcome.value in outcomes}
    result = ", ".join(f"{number}: {outcome.label}" for outcome, number in counted.items())
    return {"state": "not stated", "result": result}


def check(text: str, jwk: Jwk) -> Json:
    """The certificate in a file, once its signature by the holder of `jwk` was found good. Raises Invalid."""
    document = parse(text)
    signed = json.loads(signing.verify(document["jws"], jwk))
    if signed != document["certificate"]:
        raise Invalid("The readable part of the file is not what was signed.")
    return dict(signed)


def parse(text: str) -> Json:
    """A file's content, unchecked. Raises Invalid for what is no certificate."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("jws"), str):
        raise Invalid("That is no certificate: a JSON object with “certificate” and “jws” was expected.")
    if not isinstance(document.get("certificate"), dict) or document["certificate"].get("type") != KIND:
        raise Invalid(f"That is no certificate of the kind {KIND}.")
    return document


@dataclass
class Evidence:
    """What the rows say of one offboarding, read in a fixed number of statements."""

    offboarding: Offboarding

    @cached_property
    def exposures(self) -> list[Exposure]:
        related = ("account", "version", "closed_by__candidate")
        return list(self.offboarding.exposures.select_related(*related).order_by("account__name", "pk"))

    def account(self, exposure: Exposure) -> Json:
        account = exposure.account
        return {
            **_named(account, name=account.name, username=account.username),
            "connector": account.connector,
            "privileged": account.is_privileged,
            "known": {
                "version": exposure.version.number,
                "since": _time(exposure.known_since),
                "revealed_at": _time(exposure.revealed_at),
            },
            "outcome": exposure.outcome,
            "outcome_label": exposure.get_outcome_display(),
            "exposure": {
                "opened_at": _time(exposure.opened_at),
                "closed_at": _time(ended_at(exposure)),
                "seconds": exposure_seconds(exposure),
            },
            "proof": self._proof(exposure),
            "exception": self._exception(exposure),
        }

    def _proof(self, exposure: Exposure) -> Json | None:
        """How the exposure ended: by logins of ours, or on somebody's word. None where nothing was changed."""
        job = exposure.closed_by
        if job is None or job.candidate is None or exposure.outcome not in MEASURED:
            return None
        return {
            "rotation": str(job.pk),
            "new_version": job.candidate.number,
            **dict.fromkeys(_PROOFS.values()),
            **self._steps.get(job.pk, {}),
            "sessions_closed_at": _time(job.sessions_closed_at),
            "old_versions": _known(exposure, self._versions[exposure.account_id]),
            "sessions_closed": job.sessions_closed,
            "follow_ups": job.follow_ups,
            "on_the_word_of": self._words.get(job.pk),
        }

    def _exception(self, exposure: Exposure) -> Json | None:
        """Who accepted that the password may be alive, why and until when (no date where the target's word was taken);
        None where nobody had to."""
        if exposure.outcome not in {Outcome.RISK_ACCEPTED, Outcome.TARGETS_WORD} or exposure.accepted_by is None:
            return None
        return {
            "accepted_by": self.actor(exposure.accepted_by),
            "at": _time(exposure.closed_at),
            "until": _time(exposure.accepted_until),
            "reason": exposure.accepted_reason,
        }

    def access_ended(self) -> Json:
        """How many sessions, API keys, memberships and grants ended, and the role the person had."""
        events = AuditEvent.objects.filter(workspace_id=self.offboarding.workspace_id, at__lte=self._started.at)
        ended = events.filter(verb=Verb.PERSON_DEACTIVATED, subject_id=self.offboarding.user_id).order_by("-id").first()
        names = ("former_role", "sessions", "api_keys", "memberships", "grants")
        return {name: ended.detail.get(name) for name in names} if ended else {}

    def audit_anchor(self) -> Json:
        """The place in the audit chain of the offboarding's start: with it goes everything before."""
        audit.seal(self.offboarding.workspace)
        seal = AuditSeal.objects.filter(event=self._started).first()
        return {"event": self._started.pk, "position": seal.position, "hash": bytes(seal.hash).hex()} if seal else {}

    def actor(self, actor: Json) -> Json:
        """Who did it, with the userName of a person of this workspace."""
        named = User.objects.filter(workspace_id=self.offboarding.workspace_id, pk=actor["id"]).first()
        return {**actor, "userName": named.user_name if named else None}

    @cached_property
    def _started(self) -> AuditEvent:
        return AuditEvent.objects.filter(verb=Verb.OFFBOARDING_STARTED, subject_id=self.offboarding.pk).latest("id")

    @cached_property
    def _job_ids(self) -> list[UUID]:
        return [exposure.closed_by_id for exposure in self.exposures if exposure.closed_by_id]

    @cached_property
    def _steps(self) -> dict[UUID, dict[str, str | None]]:
        """By job, when each thing was proved; of a thing proved twice, the last time."""
        steps = RotationStep.objects.filter(job_id__in=self._job_ids, to_state__in=_PROOFS).order_by("at", "id")
        found: dict[UUID, dict[str, str | None]] = {}
        for step in steps:
            found.setdefault(step.job_id, {})[_PROOFS[JobState(step.to_state)]] = _time(step.at)
        return found

    @cached_property
    def _versions(self) -> dict[UUID, list[SecretVersion]]:
        """By account, each version that people were shown, or that was suggested to the person who left."""
        accounts = [exposure.account_id for exposure in self.exposures]
        shown = Q(visible_from__isnull=False) | Q(reveals__user=self.offboarding.user_id)
        versions = SecretVersion.objects.filter(shown, account_id__in=accounts).distinct()
        by_account: dict[UUID, list[SecretVersion]] = {}
        for version in versions.order_by("number"):
            by_account.setdefault(version.account_id, []).append(version)
        return by_account

    @cached_property
    def _words(self) -> dict[UUID, Json]:
        """By job, who said that they changed a password where no login of ours can prove it."""
        events = AuditEvent.objects.filter(verb=Verb.ROTATION_CHANGED_BY_HAND, subject_id__in=self._job_ids)
        return {
            event.subject_id: self.actor(Actor(event.actor_kind, event.actor_id, event.actor_label).to_json())
            for event in events.order_by("id")
            if event.subject_id and not event.detail.get("verified_by_us")
        }


def _known(exposure: Exposure, versions: list[SecretVersion]) -> list[Json]:
    """The versions that the person could have known, and when each was rejected."""
    return [
        {"version": version.number, "rejected_at": _time(version.proved_dead_at)}
        for version in versions
        if version.number <= exposure.version.number
        and (version.visible_until is None or version.visible_until > exposure.known_since)
    ]


def _percentile(spans: list[float], percent: int) -> float | None:
    """By nearest rank: a span that was measured, never one between two."""
    return spans[max(ceil(len(spans) * percent / 100) - 1, 0)] if spans else None


def _named(row: Any, **more: Any) -> Json:
    return {"id": str(row.pk), **more}


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
