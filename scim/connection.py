"""How far a workspace has come in connecting its identity provider, told by what has arrived."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max

from scim.models import ScimToken
from workspace.models import Team, User, Workspace


@dataclass(frozen=True)
class Step:
    """`title` is what to do; `at` since when it is done; `seen` what was seen, the row where there is one."""

    title: str
    how: str
    done: bool
    at: datetime | None = None
    seen: User | Team | None = None


def steps(workspace: Workspace) -> list[Step]:
    """In the order in which Okta asks for them. A token that has ended counts for nothing: Okta needs another."""
    valid = ScimToken.objects.for_workspace(workspace).valid()
    tokens = valid.aggregate(
        number=Count("pk"), issued=Max("created_at"), used=Max("last_used_at"), tested=Max("tested_at")
    )
    return [
        Step(
            "Issue a token",
            "Give it a label, copy it, and paste it into Okta as Authorization (API Token in a catalogue app).",
            bool(tokens["number"]), tokens["issued"],
        ),
        Step(
            "Copy the SCIM connector base URL into Okta",
            "On the Provisioning tab of the app, under Integration, Edit. Ticked by the first request with a token.",
            tokens["used"] is not None, tokens["used"],
        ),
        Step(
            "Press Test Connector Configuration in Okta",
            "In a catalogue app the button is called Test API Credentials. Then Save.",
            tokens["tested"] is not None, tokens["tested"],
        ),
        *_pushed(workspace),
    ]  # fmt: skip


def _pushed(workspace: Workspace) -> Iterator[Step]:
    person = User.objects.filter(workspace=workspace, provisioned_at__isnull=False).order_by("provisioned_at").first()
    yield Step(
        "Assign the app to a first person",
        "On the Assignments tab, Assign, Assign to People. Okta pushes them at once.",
        person is not None, person.provisioned_at if person else None, person,
    )  # fmt: skip
    team = Team.objects.filter(workspace=workspace, provisioned_at__isnull=False).order_by("provisioned_at").first()
    yield Step(
        "Push a first group",
        "On the Push Groups tab, Find groups by name, or Find groups by rule. Not a group that assigns the app.",
        team is not None, team.provisioned_at if team else None, team,
    )  # fmt: skip
