"""`emails.value eq "…"`, by which Entra and others match: answered from indexes, as by reading every document."""

import json
from typing import Any

import pytest
from django.db import connection

from scim import attributes
from tests.companies import Company
from tests.scim.test_users import create_body, send

pytestmark = pytest.mark.django_db

ADDRESSES: list[dict[str, Any]] = [
    {"value": "Ada@Acme.example", "type": "work", "primary": True},
    {"value": 'odd"quote\\É@private.example', "type": "home"},
]
ASKED = [
    'emails.value eq "ada@ACME.example"',
    'emails eq "ada@ACME.example"',
    'emails[type eq "work" and value eq "ada@ACME.example"]',
    'emails[value eq "ada@ACME.example"] and active eq true',
]


def found(company: Company, query: str) -> list[str]:
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": query}
    answer = send(company.okta(), "POST", "/Users/.search", body)
    assert answer.status_code == 200, answer.data
    return [user["userName"].partition("@")[0] for user in answer.data["Resources"]]


_MANY = """
INSERT INTO workspace_user (id, workspace_id, password, user_name, email, given_name, family_name, display_name,
                            external_id, attributes, role, is_active, created_at, updated_at)
SELECT gen_random_uuid(), %s, '!', n || '@x.example', n || '@x.example', '', '', '', '',
       jsonb_build_object('emails', jsonb_build_array(jsonb_build_object('value', n || '@X.example'))), 'member', true,
       now(), now()
  FROM generate_series(1, 5000) AS n;
ANALYZE workspace_user;
"""


def test_an_address_is_looked_up_among_all_that_were_sent_and_among_local_people(acme: Company) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_MANY, [acme.workspace.pk])
    for query in ASKED:
        plan = attributes.users(acme.workspace, query).order_by("id").explain()
        assert "user_emails" in plan
        assert "user_email_unique" in plan
        assert "Seq Scan on workspace_user" not in plan


@pytest.mark.parametrize("query", ASKED)
def test_an_address_is_found_in_any_letter_case_and_in_ones_own_workspace(
    acme: Company, rival: Company, query: str
) -> None:
    for company in (acme, rival):
        send(company.okta(), "POST", "/Users", create_body(emails=ADDRESSES))
    assert found(acme, query) == ["ada"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (f"emails.value eq {json.dumps(ADDRESSES[1]['value'])}", ["ada"]),
        (f"emails.value eq {json.dumps(ADDRESSES[1]['value'].swapcase())}", ["ada"]),
        ('emails[type eq "home" and value eq "ada@acme.example"]', []),
        ('not (emails.value eq "ada@acme.example")', ["owner", "member"]),
        ('emails[value ne "ada@acme.example"]', ["owner", "member", "ada"]),
        ('emails.value eq "member@acme.example" or emails.value eq "ada@acme.example"', ["member", "ada"]),
        ('emails.value eq ""', []),
        ('emails.value eq "\\u0000"', []),
        ('emails.value eq "value"', []),
    ],
)
def test_the_index_changes_no_answer(acme: Company, query: str, names: list[str]) -> None:
    send(acme.okta(), "POST", "/Users", create_body(emails=ADDRESSES))
    assert found(acme, query) == names
