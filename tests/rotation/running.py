"""One worker in this process, and what must be true when it is done."""

from django.utils import timezone

from rotation import engine
from rotation.models import Exposure, Offboarding, Outcome, RotationJob
from tests.companies import Company
from tests.rotation.model_target import Server
from workspace import accounts
from workspace.models import Account, SecretVersion


def run(job: RotationJob) -> RotationJob:
    """One worker takes the job as far as it goes."""
    engine.run(job.pk, worker="test")
    job.refresh_from_db()
    return job


def run_when_due(job: RotationJob) -> RotationJob:
    RotationJob.objects.filter(pk=job.pk).update(next_attempt_at=timezone.now())
    return run(job)


def path_of(job: RotationJob) -> list[str]:
    return list(job.steps.values_list("to_state", flat=True))


def current_password(account: Account) -> str:
    current = accounts.current_version(account)
    assert current is not None
    return accounts.open_version(current).reveal()


def assert_proved(acme: Company, server: Server) -> None:
    """The current version logs in, every other known one does not, and the departure is complete."""
    current = accounts.current_version(acme.account)
    assert current is not None
    assert server.accepted == {server.kept(accounts.open_version(current).reveal())}
    older = SecretVersion.objects.filter(account=acme.account, number__lt=current.number, visible_from__isnull=False)
    assert all(version.proved_dead_at for version in older)
    assert Exposure.objects.get(account=acme.account).outcome == Outcome.PROVED_DEAD
    assert Offboarding.objects.get(user=acme.member).completed_at is not None
