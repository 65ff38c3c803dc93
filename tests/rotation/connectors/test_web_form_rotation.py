"""A whole rotation of a web login with one-time codes: a person leaves, and the site has another password."""

from collections.abc import Iterator

import pyotp
import pytest

from rotation import engine
from rotation.departures import offboarding
from rotation.models import Exposure, Outcome, RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.rotation.connectors.web_site import Site
from tests.rotation.connectors.web_target import RECIPE, WebTarget, shared_browser
from workspace import accounts, authenticators
from workspace.crypto import Secret

pytestmark = pytest.mark.django_db

KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def target() -> Iterator[WebTarget]:
    with shared_browser(), Site() as site:
        yield WebTarget(site)


def test_a_departure_changes_a_web_login_and_proves_the_old_password_dead(acme: Company, target: WebTarget) -> None:
    name, site = target.make_login(acme.account_password), target.site
    site.people[name].codes = pyotp.TOTP(KEY, interval=1)
    accounts.update(
        acme.account, actor=TESTS, connector="web_form", username=name, target={"url": site.url, "recipe": RECIPE}
    )
    authenticators.enroll(acme.account, Secret(f"otpauth://totp/x?secret={KEY}&period=1"), actor=TESTS)
    offboarding.offboard(acme.member, actor=TESTS, cause="left")
    job = RotationJob.objects.get(account=acme.account)
    engine.run(job.pk, worker="test")

    job.refresh_from_db()
    assert job.state == JobState.DONE, (job.failure_code, job.failure_detail)
    current = accounts.current_version(acme.account)
    assert current is not None
    assert accounts.open_version(current) == Secret(site.people[name].password) != acme.account_password
    assert Exposure.objects.get(account=acme.account).outcome == Outcome.PROVED_DEAD
    assert job.canary_rejected_at
    assert job.truncated_rejected_at
    used = site.people[name].used
    assert len(used) == len(set(used)) == 2  # one to change it, one to log out everywhere
    assert "authenticator secret" in str(job.follow_ups)
    assert site.sessions_of(name) == []
