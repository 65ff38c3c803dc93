"""What the pages of people say of those who left: what ended, how far the rotations are, what data is still there."""

from typing import Any

from django.db.models import Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from rotation.models import Exposure, Offboarding
from workspace.admin.parts import NOTHING, Fact, Section, badge, bar, link, when
from workspace.audit import Verb
from workspace.models import AuditEvent, Holding, Reveal, TeamMembership, User
from workspace.vault import ledger

ASKED = Verb.PERSON_DELETION_ASKED


def with_departure(rows: QuerySet[Any]) -> QuerySet[Any]:
    """The people, each with what the last departure ended and opened: `ended_grants`, `known` and `still_open`."""
    last = Offboarding.objects.filter(user=OuterRef("pk")).order_by("-started_at")
    exposures = Exposure.objects.filter(offboarding=OuterRef("last_offboarding")).values("offboarding")
    own = Holding.objects.filter(user=OuterRef("pk"), team=None)
    ended = own.filter(grant_ended_at__gte=OuterRef("deactivated_at")).values("user")
    asked = AuditEvent.objects.filter(subject_id=OuterRef("pk"), verb=ASKED)
    rows = rows.annotate(last_offboarding=Subquery(last.values("pk")[:1]), deletion_asked=Exists(asked))
    counted: QuerySet[Any] = rows.annotate(
        ended_grants=_number(ended, Count("*")),
        known=_number(exposures, Count("pk")),
        still_open=_number(exposures, Count("pk", filter=Q(closed_at=None))),
    )
    return counted


def _number(rows: QuerySet[Any], count: Count) -> Coalesce:
    return Coalesce(Subquery(rows.annotate(n=count).values("n"), output_field=IntegerField()), 0)


def rotations_text(user: Any) -> str:
    """How far the rotations of the last departure are, for the list."""
    if user.last_offboarding is None or not user.known:
        return NOTHING
    return badge(f"{user.known - user.still_open} of {user.known}", "warning" if user.still_open else "success")


def data_text(user: Any) -> str:
    if user.purged_at is not None:
        return "deleted"
    return badge("Deletion asked for", "warning") if user.deletion_asked else "kept"


def facts_of(user: User) -> list[Fact]:
    """For a disabled person's page."""
    done = Offboarding.objects.filter(user=user).order_by("-started_at").annotate(
        known=Count("exposures"), still_open=Count("exposures", filter=Q(exposures__closed_at=None))
    ).first()  # fmt: skip
    if user.is_active or done is None:
        return []
    ended = ledger.holdings_of(user).filter(team=None, grant_ended_at__gte=user.deactivated_at).count()
    facts = [Fact("Grants ended", ended), Fact("Offboarding", link(done))]
    if done.known:
        facts.append(Fact("Passwords dealt with", bar(done.known - done.still_open, done.known)))
    return facts


def data_of(user: User) -> list[Section]:
    """What is still kept of somebody who left, and how it is deleted for good."""
    if user.is_active or user.purged_at is not None or user.workspace_id is None:
        return []
    profile = [user.email, user.given_name, user.family_name, user.display_name, user.external_id]
    asked = AuditEvent.objects.filter(subject_id=user.pk, verb=ASKED).order_by("-id").first()
    rows: list[list[Any]] = [
        ["Profile", f"{sum(map(bool, profile)) + 1} fields and {len(user.attributes)} more attributes"],
        ["Grants that ended", ledger.holdings_of(user).filter(team=None).count()],
        ["Teams they were in", TeamMembership.objects.filter(user=user).count()],
        ["Times they saw or typed a password", Reveal.objects.filter(user=user).count()],
    ]
    if asked:
        rows.append(["Deletion asked for", when(asked.at)])
    note = "Deleting it leaves a pseudonym, so that history adds up. Only Cerby support does it, when an Owner asks."
    return [Section("Data still here", ("What", "How much"), rows, "", note=note)]
