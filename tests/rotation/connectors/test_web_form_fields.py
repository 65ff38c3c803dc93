"""A field that keeps something else than was typed is noticed before anything is sent; the next password fits it."""

from collections.abc import Iterator
from typing import Any

import pytest

from rotation import engine, jobs
from rotation.connectors.base import FailureKind, TargetError
from rotation.models import RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.rotation.connectors.web_site import Site
from tests.rotation.connectors.web_target import RECIPE, WebTarget, shared_browser
from workspace import accounts
from workspace.crypto import Secret

LONG = Secret("Abcdefgh-12345678-ijklmnop-90123")
SENT = "POST /account/password"
TWENTY = 'maxlength="20"'
LATER = 'oninput="setTimeout(() => this.value = this.value.slice(0, 20), 0)"'
LOWER = 'oninput="this.value = this.value.toLowerCase()"'


@pytest.fixture(scope="module", autouse=True)
def _browser() -> Iterator[None]:
    with shared_browser():
        yield


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture
def target(running: Site) -> Iterator[WebTarget]:
    yield (found := WebTarget(running))
    found.forget()


def tried(target: WebTarget, old: Secret, *, recipe: bool = True) -> tuple[TargetError, str]:
    """Why the change came to nothing, and what the site was sent."""
    connector = target.connector(target.make_login(old), recipe=RECIPE if recipe else None)
    failures = []

    def change() -> None:
        with pytest.raises(TargetError) as failure:
            connector.change(LONG, current=old, admin=None)
        failures.append(failure.value)

    log = target.recorded(change)
    assert target.site.people[connector.username].password == old.reveal()
    assert LONG.reveal() not in failures[0].detail
    return failures[0], log


@pytest.mark.parametrize("recipe", [True, False])
@pytest.mark.parametrize(
    ("fields", "said", "rules"),
    [
        ({"new": TWENTY, "again": TWENTY}, "keeps 20 of the 32 characters", "maxlength: 20"),
        ({"again": TWENTY}, "keeps 20 of the 32 characters", "maxlength: 20"),
        ({"new": LOWER}, "holds something else than was typed", ""),
        ({"new": 'minlength="40"'}, "does not take the length", "minlength: 40"),
        ({"new": 'pattern="[a-z]+"'}, "does not take the length or the kind", ""),
        ({"password": 'maxlength="24"'}, "or the one for logging in, does not take the length", "maxlength: 24"),
        ({"new": TWENTY + ' passwordrules="minlength: 12; maxlength: 18;"'}, "keeps 20", "maxlength: 18"),
    ],
)
def test_a_new_password_that_does_not_fit_is_not_sent(
    target: WebTarget, old: Secret, recipe: bool, fields: dict[str, str], said: str, rules: str
) -> None:
    target.site.attributes |= fields
    failure, log = tried(target, Secret(old.reveal()[:16]), recipe=recipe)
    assert (failure.kind, said in failure.detail) == (FailureKind.POLICY, True), failure.detail
    assert rules in failure.rules
    assert SENT not in log


def test_what_a_script_cuts_a_moment_later_is_not_sent_either(target: WebTarget, old: Secret) -> None:
    target.site.attributes["new"] = LATER
    failure, log = tried(target, old)
    assert (failure.kind, "keeps 20 of the 32" in failure.detail) == (FailureKind.POLICY, True), failure.detail
    assert SENT not in log


def test_a_field_for_fewer_than_anybody_should_use_is_a_persons_matter(target: WebTarget, old: Secret) -> None:
    target.site.attributes["new"] = 'maxlength="6"'
    failure, log = tried(target, old)
    assert failure.kind is FailureKind.HUMAN
    assert "It takes 6 at most, and fewer than 8 are too few." in failure.detail
    assert SENT not in log


@pytest.mark.parametrize("field", ["password", "username"])
@pytest.mark.parametrize("recipe", [True, False])
def test_a_log_in_that_is_cut_proves_nothing(target: WebTarget, old: Secret, field: str, recipe: bool) -> None:
    connector = target.connector(target.make_login(old), recipe=RECIPE if recipe else None)
    target.site.attributes[field] = 'maxlength="7"'
    said = []

    def verify() -> None:
        for password in (old, LONG):
            with pytest.raises(TargetError) as failure:
                connector.verify(password)
            said.append((failure.value.kind, failure.value.detail))

    log = target.recorded(verify)
    assert {kind for kind, _ in said} == {FailureKind.HUMAN}
    assert all("keeps 7 of the" in detail and "Nothing was sent" in detail for _, detail in said)
    assert "POST /login" not in log


def test_a_name_in_the_sites_own_spelling_is_the_same_name(target: WebTarget, old: Secret) -> None:
    target.site.attributes["username"] = 'oninput="this.value = this.value.toLowerCase()"'
    assert target.connector(target.make_login(old)).verify(old)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "longest"),
    [({"new": TWENTY, "again": TWENTY}, 20), ({"password": 'maxlength="24"', "new": 'maxlength="64"'}, 24)],
)
def test_the_next_password_fits_and_the_rotation_is_done(
    acme: Company, target: WebTarget, fields: dict[str, Any], longest: int
) -> None:
    name, site = target.make_login(acme.account_password), target.site
    site.attributes |= fields
    accounts.update(
        acme.account, actor=TESTS, connector="web_form", username=name, target={"url": site.url, "recipe": RECIPE}
    )
    jobs.request(acme.workspace, [acme.account], cause="tests")
    job = RotationJob.objects.get(account=acme.account)
    engine.run(job.pk, worker="test")
    job.refresh_from_db()
    assert job.state == JobState.DONE, (job.failure_code, job.failure_detail)
    assert job.policy_refusals == 1
    current = accounts.current_version(acme.account)
    assert current is not None
    new = accounts.open_version(current).reveal()
    assert (site.people[name].password, len(new)) == (new, longest)
    assert job.canary_rejected_at
