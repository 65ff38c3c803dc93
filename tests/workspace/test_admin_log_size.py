"""A page of the audit log or the provisioning log reads little, however long the log is and whatever is asked for."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from scim.models import ScimToken
from tests.companies import Company
from tests.console_world import body_of, text_of
from tests.plans import cost_of
from workspace import audit
from workspace.admin.paging import LogPaginator

pytestmark = pytest.mark.django_db

LOG = "/admin/workspace/auditevent/"
PROVISIONING = "/admin/scim/provisioningevent/"
EVENTS = 300_000
FILL = """
INSERT INTO workspace_user (id, workspace_id, user_name, email, given_name, family_name, display_name, external_id,
        attributes, role, is_active, password, created_at, updated_at)
    SELECT gen_random_uuid(), %(workspace)s, 'p' || n || '@acme.example', 'p' || n || '@acme.example', 'Given' || n,
           'Family' || n %% 997, '', '', '{}', 'member', true, '!', now(), now()
    FROM generate_series(1, 20000) n;
INSERT INTO workspace_account (id, workspace_id, name, username, connector, target, is_privileged, password_length,
        password_classes, password_excluded, password_rules, created_at)
    SELECT gen_random_uuid(), %(workspace)s, 'Account ' || n, 'login' || n, 'by_hand', '{}', true, 20, '{}', '', '',
           now()
    FROM generate_series(1, 5000) n;
"""


@pytest.fixture
def large(acme: Company, rival: Company) -> Company:
    """300,000 events of each log: most of the same few verbs and by one token, some of one person and one account."""
    token = ScimToken.objects.get(workspace=acme.workspace)
    values: dict[str, Any] = {
        "workspace": acme.workspace.pk, "token": token.pk, "events": EVENTS, "member": acme.member.pk,
        "account": acme.account.pk,
    }  # fmt: skip
    with connection.cursor() as cursor:
        for statement in (FILL + EVENTS_FILL).split(";\n"):
            if statement.strip():
                cursor.execute(statement, values)
        cursor.execute("ANALYZE")
    return acme


EVENTS_FILL = """
INSERT INTO workspace_auditevent (workspace_id, at, actor_kind, actor_id, actor_label, verb, subject_kind, subject_id,
        detail, request_id)
    SELECT %(workspace)s, now() - make_interval(secs => %(events)s - n),
           CASE WHEN n %% 3 = 0 THEN 'person' ELSE 'token' END,
           CASE WHEN n %% 3 = 0 THEN %(member)s ELSE %(token)s END, '',
           CASE WHEN n %% 10 = 0 THEN 'rotation.done' WHEN n < 50000
                THEN 'team.updated' ELSE 'person.updated' END,
           'user', CASE WHEN n %% 200 = 0 THEN %(member)s ELSE md5((n %% 20000)::text)::uuid END,
           CASE WHEN n %% 10 = 0 THEN jsonb_build_object('account', CASE WHEN n %% 100 = 0 THEN %(account)s
                                                                    ELSE gen_random_uuid() END) ELSE '{}' END,
           'request-' || n
    FROM generate_series(1, %(events)s) n;
INSERT INTO scim_provisioningevent (id, workspace_id, at, token_id, operation, resource_type, resource_id, status,
        scim_type, detail, attributes, duration_ms, request_id)
    SELECT gen_random_uuid(), %(workspace)s, now() - make_interval(secs => %(events)s - n), %(token)s, 'modify', 'User',
           CASE WHEN n %% 200 = 0 THEN %(member)s ELSE md5((n %% 20000)::text)::uuid END,
           CASE WHEN n %% 100 = 0 THEN 400 ELSE 200 END, '',
           CASE WHEN n %% 100 = 0 THEN 'A manager who left' ELSE '' END,
           '[]', 3, 'request-' || n
    FROM generate_series(1, %(events)s) n;
"""
MOST_BLOCKS = 5_000
LARGE_TABLES = {"workspace_auditevent", "scim_provisioningevent", "workspace_user", "workspace_account"}


def test_a_page_of_either_log_reads_little_however_it_is_searched_or_filtered(large: Company) -> None:
    browser, token = large.browser(), ScimToken.objects.get(workspace=large.workspace)
    people = ("", "member@acme.example", "p17@acme.example", "Given17", "Family5", "none")
    names = (*people, "Router", "Account 42", "Okta")
    ids = (large.member.pk, large.account.pk, token.pk, uuid4(), "request-4711", "rotation.done", "42")
    queries = [f"q={q}" for q in (*names, *ids)]
    about = [f"about={subject.value}" for subject in audit.Subject] + ["about=other"]
    by = ["by=person", "by=token", "by=system", "by=command"]
    paged = ["p=2", "p=20", f"subject_id__exact={large.member.pk}", "q=member@acme.example&p=7"]
    paths = [f"{LOG}?{query}" for query in [*queries, *about, *by, *paged]]
    own = ["result=refused", "result=token", f"token={token.pk}", f"resource_id__exact={large.member.pk}", "since=1d"]
    paths += [f"{PROVISIONING}?{query}" for query in [*queries, *own, "q=manager", "p=20"]]
    too_much = []
    for path in paths:
        cost = cost_of(browser, path)
        scanned = cost.scanned & LARGE_TABLES
        print(f"{cost.blocks:6} blocks {cost.statements:3} statements {sorted(scanned)} {path}")  # noqa: T201  # with -s
        if cost.blocks > MOST_BLOCKS or scanned:
            too_much.append(f"{path}: {scanned}, {cost.worst}")
    assert too_much == []

    assert "1,000+" in text_of(browser, LOG)
    assert browser.get(LOG).context["cl"].result_count == LogPaginator.counted_to
    assert browser.get(f"{LOG}?q=request-4711").context["cl"].result_count == 1
    for log, more in ((LOG, ""), (LOG, "about=team"), (LOG, "q=Okta"), (PROVISIONING, ""), (PROVISIONING, "q=Okta")):
        goes_on_behind_its_last_page(browser, log, more)


def goes_on_behind_its_last_page(browser: Client, log: str, more: str) -> None:
    assert "Older" not in text_of(browser, f"{log}?{more}&p=19")
    last = browser.get(f"{log}?{more}&p=20")
    older = last.context["cl"].older
    assert f'href="{older.replace("&", "&amp;")}">Older' in body_of(last)
    before, after = list(last.context["cl"].result_list), list(browser.get(f"{log}{older}").context["cl"].result_list)
    rows = browser.get(f"{log}?{more}").context["cl"].queryset
    assert [*before, *(row for row in after if row != before[-1])] == list(rows[950 : 950 + len({*before, *after})])
