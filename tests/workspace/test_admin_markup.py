"""No page of the console shows markup as text: what is safe to show was made safe once, and not put into plain text."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from rotation.models import MassRemoval, Offboarding, RotationJob, Verification
from tests.companies import TESTS, Company
from tests.console_world import address, body_of, grow, object_pages, plain_pages, populate
from workspace import authenticators
from workspace.crypto import Secret
from workspace.models import Account, Grant

pytestmark = pytest.mark.django_db

ESCAPED = re.compile(r"&(?:amp;)?lt;/?(?:a|time|span|progress|code|strong|div|p|svg)\b[^<]{0,80}")


@pytest.fixture
def owner(acme: Company) -> Client:
    """Acme's Owner, in a world with as much to say as there is: one-time codes, checks, guests, failures, a removal."""
    populate(acme)
    now = timezone.now()
    Account.objects.filter(pk=acme.account.pk).update(
        lockout_budget=3, password_rules="minlength: 20;", password_excluded="<>"
    )
    authenticators.enroll(acme.account, Secret("JBSWY3DPEHPK3PXP"), actor=TESTS)
    Verification.objects.filter(account=acme.account).update(verdict="drift", drifted_at=now, checked_at=now)
    Offboarding.objects.update(hold=MassRemoval.objects.get())
    Grant.objects.filter(ended_at=None).update(expires_at=now + timedelta(days=3))
    RotationJob.objects.update(failure_code="unreachable", failure_detail="no answer", asked_at=now)
    return acme.browser()


@pytest.mark.parametrize("name", [*plain_pages(), *object_pages()])
def test_no_page_shows_markup_as_text(name: str, owner: Client, acme: Company) -> None:
    assert ESCAPED.findall(body_of(owner.get(address(name, acme), follow=True))) == []


def test_the_lists_of_a_busy_company_show_none_either(owner: Client, acme: Company) -> None:
    grow(acme, 3, name="more")
    for name in plain_pages():
        assert ESCAPED.findall(body_of(owner.get(address(name, acme), follow=True))) == [], name
