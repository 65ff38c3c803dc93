"""`manage.py prune`: delete provisioning events and notices past their time; run it daily."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import timezone

from scim import retention
from workspace import audit, notices
from workspace.audit import Verb
from workspace.commands import SupportCommand
from workspace.db.unit_of_work import atomic, roll_back
from workspace.models import Workspace


class Command(SupportCommand):
    help = "Delete provisioning events and notices of all workspaces past their time. The audit trail is kept."
    example = "--dry-run"

    def arguments(self, parser: CommandParser) -> None:
        default = settings.PROVISIONING_LOG_DAYS
        parser.add_argument("--days", type=int, default=None, help=f"Keep this many. ({default})")
        parser.add_argument("--dry-run", action="store_true", help="Show what would go; change nothing.")

    def perform(self, options: dict[str, Any]) -> None:
        gone = []
        kept = settings.PROVISIONING_LOG_DAYS if options["days"] is None else options["days"]
        limit = timezone.now() - timedelta(days=kept)
        for workspace in Workspace.objects.order_by("slug"):
            with atomic():
                number = retention.prune(workspace, days=options["days"])
                if number:
                    audit.record(workspace, Verb.PROVISIONING_LOG_PRUNED, actor=self.actor, events=number)
                told = notices.prune(workspace, before=limit)
                if told:
                    audit.record(workspace, Verb.NOTICES_PRUNED, actor=self.actor, notices=told)
                if number or told:
                    gone.append({"workspace": workspace.slug, "events": number, "notices": told})
                if options["dry_run"]:
                    roll_back()
        self.present({"dry_run": options["dry_run"], "gone": gone})
