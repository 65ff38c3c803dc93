"""What the page says before somebody is offboarded."""

from datetime import timedelta
from typing import Any, Final

from django.utils.html import format_html
from django.utils.safestring import SafeString

from rotation.departures.estimates import Pace
from rotation.departures.orphans import Suggestion, Why
from rotation.departures.previews import Consequence, Known, Preview
from workspace.admin.parts import NOTHING, Section, badge, lasting, link, when
from workspace.admin.person_page import account_link

SHOWN: Final = 200
WHYS: Final = {
    Why.MANAGER: "manages it",
    Why.RECENT_USER: "used it last",
    Why.WORKSPACE_OWNER: "owns the workspace",
}
_BECOMES: Final = {
    Consequence.BY_ITSELF: ("Changed by itself", "success"),
    Consequence.BY_PERSON: ("Needs a person", "danger"),
    Consequence.STAYS: ("Stays: workspace policy", "warning"),
}


def in_words(preview: Preview) -> list[str]:
    """The preview in sentences: what becomes of the passwords, and how long that takes."""
    if not preview.known:
        return []
    numbers = {key: len(preview.becoming(key)) for key in Consequence}
    what = (
        f"Passwords they could have known: {len(preview.known)}."
        f" Changed by themselves: {numbers[Consequence.BY_ITSELF]}."
        f" Waiting for a person: {numbers[Consequence.BY_PERSON]}. Staying as they are: {numbers[Consequence.STAYS]}"
        f" (this workspace rotates: {preview.policy.label.lower()})."
    )
    changing = len(preview.known) - numbers[Consequence.STAYS]
    said = [_CHANGED[min(changing, 2)].format(changing, len(preview.known)), what]
    return [*said, _expected(preview)] if numbers[Consequence.BY_ITSELF] else said


_CHANGED: Final = (
    "None of the {1} below is changed.",
    "Then {0} of the {1} below is changed on its target, and the old password proved dead.",
    "Then {0} of the {1} below are changed on their targets, and the old passwords proved dead.",
)


def sections_of(preview: Preview) -> list[Section]:
    return [_known(preview), *_owned_alone(preview), _ending(preview)]


def _expected(preview: Preview) -> str:
    expected, without = preview.expected, preview.without_history
    if expected is None:
        return "How long that takes is not known: nothing of this kind was rotated here yet."
    text = f"Judged by past rotations, that takes about {lasting(expected)}"
    return f"{text}; {without} of them have no history yet and are not counted." if without else f"{text}."


def _known(preview: Preview) -> Section:
    more = f"The first {SHOWN} of {len(preview.known)} by name." if len(preview.known) > SHOWN else ""
    known = sorted(preview.known, key=lambda item: not item.stays_though_looked_at)
    return Section(
        "Passwords they could have known",
        ("Account", "Known since", "Looked at it", "Owner", "What happens", "Usually takes"),
        [_row(item) for item in known[:SHOWN]],
        "None: this person was in no position to learn a password that still works.",
        note=more,
    )


def _row(item: Known) -> list[Any]:
    return [
        account_link(item.account), when(item.since), looked_at(item),
        badge("Only Owner", "warning") if item.is_owned_alone else "", becomes_badge(item.consequence),
        pace_text(item.pace) if item.consequence is not Consequence.STAYS else NOTHING,
    ]  # fmt: skip


def looked_at(item: Known) -> Any:
    """When they first did; marked where the password stays all the same."""
    if item.revealed_at is None:
        return "never"
    if not item.stays_though_looked_at:
        return when(item.revealed_at)
    return format_html("{} {}", badge("Looked at, and stays", "danger"), when(item.revealed_at))


def _owned_alone(preview: Preview) -> list[Section]:
    """Only where there is something to say."""
    if not preview.owned_alone:
        return []
    shown = preview.owned_alone[:SHOWN]
    suggested = preview.successors(shown)
    return [
        Section(
            "Accounts nobody else owns",
            ("Account", "Suggested as the next Owner"),
            [[account_link(account), suggestion_text(suggested.get(account.pk))] for account in shown],
            "",
            note="They go into the queue of orphans, where an Owner confirms the suggestion or names somebody else.",
        )
    ]


def _ending(preview: Preview) -> Section:
    rows = [
        ["Grants of their own", preview.grants],
        ["Teams they leave", preview.memberships],
        ["Sessions", preview.sessions],
        ["API keys", preview.api_keys],
    ]
    return Section("Access that ends", ("What", "How many"), rows, "")


def becomes_badge(consequence: Consequence) -> SafeString:
    return badge(*_BECOMES[consequence])


def pace_text(pace: Pace | None) -> str:
    if pace is None:
        return "no history yet"
    past = "1 past rotation" if pace.rotations == 1 else f"{pace.rotations} past rotations"
    return f"{lasting(timedelta(seconds=pace.seconds))} ({past})"


def suggestion_text(suggestion: Suggestion | None) -> Any:
    if suggestion is None:
        return "nobody: this workspace has no Owner"
    return format_html("{}, who {}", link(suggestion.user), WHYS[suggestion.why])
