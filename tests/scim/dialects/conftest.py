"""Whatever acme's provider says, the rival has the same rows afterwards."""

from collections.abc import Iterator

import pytest

from tests.companies import Company
from tests.scim.rows import digest
from workspace.models import TeamMembership


@pytest.fixture(autouse=True)
def _the_rival_is_left_alone(acme: Company, rival: Company) -> Iterator[None]:
    before = digest(rival.workspace)
    yield
    assert digest(rival.workspace) == before


@pytest.fixture
def members() -> object:
    """Who is in a team now: a function from its id to the ids of its people."""

    def of(team_id: str) -> set[str]:
        live = TeamMembership.objects.filter(team_id=team_id, left_at=None)
        return {str(user_id) for user_id in live.values_list("user_id", flat=True)}

    return of
