"""A provider with acme's token; whatever it says, the rival has the same rows afterwards."""

from collections.abc import Iterator

import pytest

from tests.companies import Company
from tests.scim.dialects.http import Provider, bearer
from tests.scim.rows import digest


@pytest.fixture
def okta(acme: Company, rival: Company) -> Iterator[Provider]:
    before = digest(rival.workspace)
    yield Provider({"authorization": bearer(acme)}, "application/scim+json")
    assert digest(rival.workspace) == before


@pytest.fixture
def path(acme: Company) -> str:
    """Of acme's member."""
    return f"/Users/{acme.member.id}"
