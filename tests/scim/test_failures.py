"""What a request that fails on our side is answered with, and what may be read in the log about it."""

from typing import Any

import pytest
from django.db import OperationalError, connection

from scim import causes, failures
from scim.models import ProvisioningEvent
from tests.companies import Company
from tests.scim.test_users import create_body, send

pytestmark = pytest.mark.django_db

# A database that refuses a row and quotes it, as constraints and triggers do.
_QUOTING = """
CREATE FUNCTION quote_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'refused: %%', NEW USING ERRCODE = '{code}', DETAIL = NEW.email; END $$;
CREATE TRIGGER quoting BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION quote_row();
"""


def refuse_rows(table: str, code: str = "P0001") -> None:
    with connection.cursor() as cursor:
        cursor.execute(_QUOTING.format(table=table, code=code).replace("%%", "%"))


def test_a_failure_is_a_scim_500_and_its_log_holds_no_value(acme: Company, caplog: pytest.LogCaptureFixture) -> None:
    refuse_rows("workspace_user")
    answer = send(acme.okta(), "POST", "/Users", create_body("boris"))
    assert (answer.status_code, answer.data["status"]) == (500, "500")
    assert "P0001" in caplog.text
    assert "in _create" in caplog.text  # the lines it came through
    for value in ("boris", "lovelace", "acme"):
        assert value not in caplog.text.lower()
        assert value not in answer.data["detail"].lower()


def test_a_failure_stands_in_the_provisioning_log_with_what_to_do(acme: Company, rival: Company) -> None:
    refuse_rows("workspace_user")
    client = acme.okta()
    client.post("/scim/v2/Users", create_body(), content_type="application/json", headers={"x-request-id": "okta-9"})
    event = ProvisioningEvent.objects.get()
    assert (event.workspace, event.status, event.request_id) == (acme.workspace, 500, "okta-9")
    assert "Lovelace" not in str(ProvisioningEvent.objects.values().get())
    cause = causes.of(event)
    assert cause is not None
    assert "request id" in cause.remedy


def test_a_database_that_is_away_is_a_503_that_says_when_to_come_back(acme: Company) -> None:
    refuse_rows("workspace_user", "57P01")  # an administrator shuts it down
    answer = send(acme.okta(), "POST", "/Users", create_body())
    assert (answer.status_code, answer.data["status"], answer["Retry-After"]) == (503, "503", "30")


def test_a_database_that_is_away_before_the_token_is_read_is_one_too(
    acme: Company, caplog: pytest.LogCaptureFixture
) -> None:
    def away(execute: Any, sql: str, *rest: Any) -> Any:
        raise OperationalError('connection to server failed for user "cerby"')

    with connection.execute_wrapper(away):
        answer = send(acme.okta(), "GET", "/Users")
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/scim+json")
    assert "OperationalError" in caplog.text
    assert "for user" not in caplog.text


def test_what_is_told_of_an_error_names_kinds_places_and_constraints_only() -> None:
    try:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 'secret-value'::int")
        except Exception as error:
            raise RuntimeError("secret-value again") from error
    except RuntimeError as error:
        told = failures.told(error)
    assert "builtins.RuntimeError" in told
    assert "22P02" in told
    assert "test_failures.py" in told
    assert "secret-value" not in told
