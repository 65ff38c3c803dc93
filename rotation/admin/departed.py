"""What the pages of people say of those who left: what ended, how far the rotations are, what data is still there."""

from typing import Any

from django.db.models import Count, Exists, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.html import format_html

from rotation.admin.words import passwords_of, standing_badge
from rotation.departures.standing import Tally, with_tally
from rotation.models import Exposure, Offboarding
from workspace.admin.parts import NOTHING, Fact, Section, badge, link, when
from workspace.audit import Verb
from workspace.models import AuditEvent, Holding, Reveal, TeamMembership, User
from workspace.vault import ledger

ASKED = Verb.PERSON_DELETION_ASKED


def with_departure(rows: QuerySet[Any]) -> QuerySet[Any]:
    """The people, with what the last departure ended and what came of it: `ended_grants`, `still_open`, `tally`."""
    last = Offboarding.objects.filter(user=OuterRef("pk")).order_by("-started_at")
    still = Exposure.objects.open().filter(offboarding=OuterRef("last_offboarding")).values("offboarding")
    own = Holding.objects.filter(user=OuterRef("pk"), team=None)
    ended = own.filter(grant_ended_at__gte=OuterRef("deactivated_at")).values("user")
    asked = AuditEvent.objects.filter(subject_id=OuterRef("pk"), verb=ASKED)
    rows = rows.annotate(last_offboarding=Subquery(last.values("pk")[:1]), deletion_asked=Exists(asked))
    counted: QuerySet[Any] = rows.annotate(
        ended_grants=_number(ended, Count("*")),
        still_open=_number(still, Count("pk")),
    )
    return with_tally(counted, key="last_offboarding")


def _number(rows: QuerySet[Any], count: Count) -> Coalesce:
    return Coalesce(Subquery(rows.annotate(n=count).values("n"), output_field=IntegerField()), 0)


def rotations_text(user: Any) -> str:
    """What came of the passwords that were known at the last departure, for the list."""
    tally = Tally.read(user.tally)
    if not tally.known:
        return NOTHING
    done = f"{tally.known - tally.open} of {tally.known}"
    return format_html("{} {}", badge(done, "warning") if tally.open else standing_badge(tally), tally.words)


def data_text(user: Any) -> str:
    if user.purged_at is not None:
        return "deleted"
    return badge("Deletion asked for", "warning") if user.deletion_asked else "kept"


def facts_of(user: User) -> list[Fact]:
    """For a disabled person's page."""
    done = with_tally(Offboarding.objects.filter(user=user).order_by("-started_at")).first()
    if user.is_active or done is None:
        return []
    ended = ledger.holdings_of(user).filter(team=None, grant_ended_at__gte=user.deactivated_at).count()
    facts = [Fact("Grants ended", ended), Fact("Offboarding", link(done))]
    return [*facts, *passwords_of(Tally.read(done.tally))]


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
