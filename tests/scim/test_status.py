"""workspace_status: the figures of one workspace, and of no other."""

import pytest

from tests.companies import Company
from tests.console_world import populate
from tests.terminal import run

pytestmark = pytest.mark.django_db


def test_a_departure_shows_in_every_figure(acme: Company, rival: Company) -> None:
    populate(acme)
    populate(rival)
    shown = run("workspace_status", "acme").data

    assert (shown["people_active"], shown["people_disabled"], shown["owners"]) == (2, 1, 1)
    assert (shown["offboardings_open"], shown["exposures_open"]) == (1, 1)
    assert shown["refusals_of_the_last_day"] == 1
    assert shown["rotations"] == [{"state": "Needs a person", "how_many": 1}]
    assert [token["label"] for token in shown["tokens"]] == ["Okta"]
    assert shown["last_scim_request_at"] is not None
    assert shown["audit_events"] == shown["audit_events_chained"] > 0


def test_an_empty_workspace_is_shown_as_one(db: None) -> None:
    run("create_workspace", "New", "--slug", "new")
    shown = run("workspace_status", "new").data
    assert (shown["people_active"], shown["exposures_open"], shown["tokens"]) == (0, 0, [])
    assert run("workspace_status", "new", json=False).code == 0
