"""`manage.py retry_rotations`: try again now what waits."""

from typing import Any

from django.core.management.base import CommandParser

from rotation import jobs
from rotation.models import RotationJob
from rotation.states import JobState
from workspace.commands import WorkspaceCommand
from workspace.errors import NotFound, Refused
from workspace.models import Account, Workspace

WAITING = (JobState.NEEDS_HUMAN, JobState.WAITING)


class Command(WorkspaceCommand):
    help = (
        "Try the workspace's rotations that wait for their next attempt or for a person again now. Those whose risk was"
        " accepted only when their account is named."
    )
    example = "acme --state needs_human --dry-run"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="Only this account's, by its name.")
        parser.add_argument("--state", choices=[str(state) for state in WAITING], help="Only those in this state.")
        parser.add_argument("--dry-run", action="store_true", help="Show which; change nothing.")

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        states = [options["state"]] if options["state"] else WAITING
        found = RotationJob.objects.for_workspace(workspace).filter(state__in=states)
        if options["account"]:
            found = found.filter(account=_account(workspace, options["account"]))
        else:  # what rests on an accepted risk is tried only when it is meant
            found = found.exclude(failure_code=jobs.RISK_ACCEPTED)
        waiting = found.select_related("account", "workspace").order_by("priority", "requested_at")
        rows = [self._retry(job, dry_run=options["dry_run"]) for job in waiting]
        self.present({"dry_run": options["dry_run"], "rotations": rows})
        if options["dry_run"]:
            self.note("Nothing was changed.")

    def _retry(self, job: RotationJob, *, dry_run: bool) -> dict[str, Any]:
        result = "would be tried again"
        if not dry_run:
            try:
                jobs.retry(job, actor=self.actor)
                result = "will be tried again"
            except Refused as error:  # it moved on by itself meanwhile
                result = error.detail
        return {
            "account": job.account.name,
            "id": job.id,
            "state": job.state,
            "failure": job.failure_code,
            "since": job.requested_at,
            "result": result,
        }


def _account(workspace: Workspace, name: str) -> Account:
    account = Account.objects.for_workspace(workspace).filter(name__iexact=name, archived_at=None).first()
    if account is None:
        raise NotFound(f"{workspace} has no account called {name}.")
    return account
