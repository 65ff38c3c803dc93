"""The small parts of a console page: facts, tables, badges, times, links, and the names of who did something."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import Model, OuterRef, QuerySet, Subquery, UUIDField
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil

from workspace.audit import Actor
from workspace.models import Team, User

NOTHING = "–"


@dataclass(frozen=True)
class Fact:
    """One line of a page's description."""

    label: str
    value: Any


@dataclass(frozen=True)
class Section:
    """A table below the facts. `empty` is what stands there instead when it has no rows."""

    title: str
    headers: Sequence[str]
    rows: list[list[Any]]
    empty: str
    note: str = ""
    link: str = ""
    link_text: str = ""

    @property
    def table(self) -> dict[str, Any]:
        return {"headers": self.headers, "rows": self.rows}


@dataclass(frozen=True)
class Detail:
    """What a page says of one object: its facts, the badges beside its name, and its tables."""

    facts: list[Fact]
    sections: list[Section] = field(default_factory=list)
    badges: list[SafeString] = field(default_factory=list)
    notice: str = ""
    live: str = ""
    """One sentence of how far something is that moves by itself; the page then keeps itself up to date."""


@lru_cache(maxsize=1024)
def badge(text: str, variant: str = "") -> SafeString:
    """A coloured word: success, info, warning, danger, primary, or plain."""
    return SafeString(render_to_string("unfold/helpers/label.html", {"text": text, "variant": variant}))


def link(to: Model | None, text: str = "") -> SafeString | str:
    """The object's name, leading to its page."""
    if to is None:
        return NOTHING
    return format_html('<a class="console-link" href="{}">{}</a>', url(to), text or str(to))


def url(to: Model, page: str = "change") -> str:
    return reverse(f"admin:{to._meta.app_label}_{to._meta.model_name}_{page}", args=[to.pk])


def button(href: str, text: str) -> SafeString:
    """A small link at the end of a table's row."""
    return format_html('<a class="console-row-button" href="{}">{}</a>', href, text)


def when(moment: datetime | None) -> SafeString | str:
    """“3 hours ago”, the moment itself on hover."""
    if moment is None:
        return NOTHING
    now = timezone.now()
    exact = timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S %Z")
    if abs(moment - now) < timedelta(minutes=1):
        text = "just now" if moment <= now else "in a moment"
    elif moment < now:
        text = f"{timesince(moment, now, depth=1)} ago"
    else:
        text = f"in {timeuntil(moment, now, depth=1)}"
    return format_html('<time class="console-time" datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, text)


def moment(at: datetime) -> str:
    """The time in plain text, for labels and sentences, which hold no markup."""
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M %Z")


def bar(done: int, total: int) -> SafeString:
    """“3 of 12”, and how much of it that is."""
    text = f"{done} of {total}"
    return format_html('<progress class="console-bar" max="{}" value="{}">{}</progress> {}', total, done, text, text)


def clipped(text: str) -> SafeString:
    """One line of a list, the whole text on hover."""
    return format_html('<span class="console-clip" title="{}">{}</span>', text, text)


def lasting(span: timedelta) -> str:
    """“4.2 s”, “3 min 20 s”, “2 h 5 min”: how long something took."""
    seconds = span.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def with_actor(rows: QuerySet[Any], column: str) -> QuerySet[Any]:
    """The rows, each with `actor_name`: the userName of the person of its own workspace named by a JSON column."""
    rows = rows.annotate(_actor=Cast(KT(f"{column}__id"), UUIDField()))
    people = User.objects.filter(pk=OuterRef("_actor"), workspace=OuterRef("workspace"))
    named: QuerySet[Any] = rows.annotate(actor_name=Subquery(people.values("user_name")[:1]))
    return named


def actor_text(actor: Mapping[str, Any] | Actor | None, person: str | None) -> str:
    """Who did it, in words; `person` is the userName if it was a colleague."""
    known = actor if isinstance(actor, Actor) else Actor.from_json(actor)
    if known is None:
        return NOTHING
    match known.kind:
        case "person":
            return person or "Cerby support"
        case "token":
            return f"{known.label} (SCIM token)"
        case "command":
            return f"Cerby support ({known.label})"
        case _:
            return known.label.capitalize() or known.kind


def names_of(ids: Iterable[UUID | None], workspace_id: UUID | None) -> dict[UUID, str]:
    """By id, the userName or displayName of those among `ids` that are people or teams of the workspace."""
    mine = {"workspace_id": workspace_id, "pk__in": {pk for pk in ids if pk}}
    people = User.objects.filter(**mine).values_list("pk", "user_name")
    return dict(people.union(Team.objects.filter(**mine).values_list("pk", "display_name"), all=True))


def actor_of(row: Any, column: str) -> str:
    """Who did it, for one object's page."""
    actor = Actor.from_json(getattr(row, column))
    names = names_of([actor.id if actor else None], row.workspace_id)
    return actor_text(actor, names.get(actor.id) if actor and actor.id else None)
