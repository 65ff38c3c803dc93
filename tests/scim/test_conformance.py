"""scim2-tester, an independent reader of RFC 7643 and RFC 7644, against the live server: one test per check."""

import random
from collections.abc import Callable, Iterator
from typing import Any, cast

import httpx2
import pytest
from pytest_django.live_server_helper import LiveServer
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import Mutability, Path, Resource
from scim2_tester import checkers
from scim2_tester.utils import CheckConfig, CheckContext, CheckResult, ResourceManager, Status, parametrize

from tests import generators
from tests.companies import Company
from tests.scim.rows import digest

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.generated]

Check = Callable[..., list[CheckResult]]

OF_THE_SERVER: list[Check] = [
    checkers.service_provider_config_endpoint,
    checkers.service_provider_config_endpoint_methods,
    checkers.query_all_resource_types,
    checkers.resource_types_schema_validation,
    checkers.access_invalid_resource_type,
    checkers.resource_types_endpoint_methods,
    checkers.query_all_schemas,
    checkers.access_schema_by_id,
    checkers.access_invalid_schema,
    checkers.schemas_endpoint_methods,
    checkers.core_schemas_validation,
    checkers.random_url,
]
OF_A_RESOURCE_TYPE: list[Check] = [
    checkers.object_creation,
    checkers.object_query,
    checkers.object_query_without_id,
    checkers.object_query_with_attributes,
    checkers.object_list_with_attributes,
    checkers.search_with_attributes,
    checkers.object_replacement,
    checkers.object_deletion,
    checkers.check_add_attribute,
    checkers.check_remove_attribute,
    checkers.check_replace_attribute,
]
RESOURCE_TYPES = ["User", "Group", "Role", "Entitlement"]


class PeopleWithAccess(ResourceManager):
    """Makes people who are active, where the checker would roll dice: who is disabled joins no team."""

    def create_and_register(self, model: type[Resource[Any]], fill_all: bool = False) -> Resource[Any]:
        made = super().create_and_register(model, fill_all)
        if getattr(made, "active", None) is False:
            made.active = True  # type: ignore[attr-defined]  # a User's
            self.context.client.replace(made)
        return made


@pytest.fixture
def context(
    live_server: LiveServer, acme: Company, rival: Company, request: pytest.FixtureRequest
) -> Iterator[CheckContext]:
    """A client that knows of the server what the server says of itself. The rival never notices.

    The checker rolls dice, which the run's seed decides. It takes any of the roles that /Schemas offers, so the
    workspace opens all.
    """
    others = random.getstate()
    random.seed(f"{generators.SEED} {request.node.name}")
    before = digest(rival.workspace)
    acme.workspace.provider_assigns_owner = True
    acme.workspace.save()
    headers = {"Authorization": f"Bearer {acme.scim_token}"}
    with httpx2.Client(base_url=f"{live_server.url}/scim/v2/", headers=headers, timeout=120) as http:
        client = SyncSCIMClient(http)
        client.discover()
        checking = CheckContext(client, CheckConfig())
        checking.resource_manager = PeopleWithAccess(checking)
        yield checking
    random.setstate(others)
    assert digest(rival.workspace) == before


def model_of(context: CheckContext, name: str) -> type[Resource[Any]]:
    resource_type = next(each for each in context.client.provider.resource_types if each.name == name)
    return cast("type[Resource[Any]]", context.client.provider.model_for(resource_type))


def is_writable(model: type[Resource[Any]]) -> bool:
    """Whether the schema has an attribute of its own that a client may write; externalId every resource has."""
    paths = parametrize(Path, model).iter_paths(include_subattributes=False)
    bindings = [binding for path in paths if str(path) != "externalId" and (binding := path.resolve())]
    return any(binding.get_annotation(Mutability) is not Mutability.read_only for binding in bindings)


def failures(results: list[CheckResult]) -> list[str]:
    assert results
    return [f"{each.status.name}: {each.reason}" for each in results if each.status is not Status.SUCCESS]


def test_no_check_is_left_out() -> None:
    named = {check.__name__ for check in [*OF_THE_SERVER, *OF_A_RESOURCE_TYPE, checkers.query_resource_type_by_id]}
    assert named == set(checkers.__all__) - {"resource_type_tests"}  # which runs the others


def test_each_resource_type_is_checked(context: CheckContext) -> None:
    assert [each.name for each in context.client.provider.resource_types] == RESOURCE_TYPES


@pytest.mark.parametrize("check", OF_THE_SERVER, ids=lambda check: check.__name__)
def test_the_server_describes_itself_truly(context: CheckContext, check: Check) -> None:
    assert failures(check(context)) == []


@pytest.mark.parametrize("name", RESOURCE_TYPES)
def test_a_resource_type_can_be_read_by_its_id(context: CheckContext, name: str) -> None:
    resource_type = next(each for each in context.client.provider.resource_types if each.name == name)
    assert failures(checkers.query_resource_type_by_id(context, resource_type)) == []


@pytest.mark.parametrize("check", OF_A_RESOURCE_TYPE, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", RESOURCE_TYPES)
def test_a_resource_type_does_what_its_schema_says(context: CheckContext, name: str, check: Check) -> None:
    """Every check begins with a create. Roles and entitlements are read-only, says their schema: there it is a 405.

    Nothing would let the checker pass them over: it creates one of every type that /ResourceTypes names, and RFC 7643
    section 6 has no attribute that says of a type what its schema says of each of its attributes.
    """
    model = model_of(context, name)
    found = failures(check(context, model))
    assert found == ([] if is_writable(model) else ["ERROR: POST is not served here. Allowed: GET, HEAD."])


@pytest.mark.parametrize("name", ["User", "Group"])
def test_people_and_teams_can_be_written(context: CheckContext, name: str) -> None:
    assert is_writable(model_of(context, name))
