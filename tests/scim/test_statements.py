"""What a request costs in statements, and what its short way in still holds."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import DEFAULT_DB_ALIAS, connections

from tests.companies import Company
from tests.scim.test_users import OKTA_OFF, OKTA_ON, create_body, send
from workspace import statements
from workspace.audit import Actor
from workspace.db import unit_of_work
from workspace.models import AuditEvent, Workspace

pytestmark = pytest.mark.django_db

MATCH = '/Users?filter=userName eq "ada@acme.example"&startIndex=1&count=100'
# With the token, and with the beginning and the end of a write's transaction.
COSTS = {"match": 2, "create": 6, "read": 2, "PUT": 5, "PATCH off": 7, "PATCH on": 5, "page": 2}


def requests(acme: Company) -> dict[str, Callable[[], Any]]:
    """Okta's requests about one person; each goes on from where the one before has ended."""
    client, made = acme.okta(), {}

    def create() -> Any:
        answer = send(client, "POST", "/Users", create_body())
        made.update(answer.data)
        return answer

    def about(method: str, body: Any = None) -> Callable[[], Any]:
        return lambda: send(client, method, f"/Users/{made['id']}", body)

    return {
        "match": lambda: send(client, "GET", MATCH),
        "create": create,
        "read": about("GET"),
        "PUT": lambda: about("PUT", {**made, "displayName": "Countess"})(),
        "PATCH off": about("PATCH", OKTA_OFF),
        "PATCH on": about("PATCH", OKTA_ON),
        "page": lambda: send(client, "GET", "/Users?startIndex=1&count=100"),
    }


def test_a_lifecycle_takes_few_statements(acme: Company, django_assert_num_queries: Any) -> None:
    acts = requests(acme)
    acts["page"]()  # notes the token's use, once a minute
    for what, act in acts.items():
        with django_assert_num_queries(COSTS[what], info=what):
            assert act().status_code in {200, 201}


def test_records_of_an_act_are_written_together_and_in_order(acme: Company, django_assert_num_queries: Any) -> None:
    def event(verb: str) -> AuditEvent:
        return AuditEvent(workspace=acme.workspace, verb=verb, actor_kind=Actor.system("x").kind)

    with django_assert_num_queries(3), unit_of_work.atomic():  # a savepoint, its end, and they
        for number in range(3):
            unit_of_work.append(event(f"test.{number}"))
    verbs = AuditEvent.objects.filter(verb__startswith="test.").order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["test.0", "test.1", "test.2"]


def test_records_of_an_act_that_fails_are_not_written(acme: Company) -> None:
    before = AuditEvent.objects.count()
    with pytest.raises(ZeroDivisionError), unit_of_work.atomic():
        unit_of_work.append(AuditEvent(workspace=acme.workspace, verb="test.lost", actor_kind="system"))
        raise ZeroDivisionError
    assert AuditEvent.objects.count() == before


def test_another_host_s_name_is_refused_on_the_short_way_too(acme: Company) -> None:
    headers = {"host": "elsewhere.example", "authorization": f"Bearer {acme.scim_token}"}
    assert acme.okta().get("/scim/v2/Users", headers=headers).status_code == 400


def test_an_answer_on_the_short_way_has_its_length_and_no_cookie(acme: Company) -> None:
    answer = send(acme.okta(), "GET", "/Users")
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not answer.cookies


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_died_meanwhile_is_opened_anew() -> None:
    database: Any = connections[DEFAULT_DB_ALIAS]
    Workspace.objects.create(name="Acme", slug="acme")
    backend = statements.first("SELECT pg_backend_pid()")
    assert backend is not None
    with psycopg.connect(**database.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", backend)
    database.health_check_done = False  # as at the beginning of a request
    assert statements.greeting("SELECT slug FROM workspace_workspace") == ("acme",)
