"""Composite foreign keys: a delivery, its notice, its endpoint and its recipient are of one workspace."""

from django.db import migrations

from workspace.composite_keys import same_workspace, unique

# (table, column, referenced table); rows with a null reference are not checked, as SQL has it.
REFERENCES = [
    ("workspace_webhookendpoint", "shown_to_id", "workspace_user"),
    ("workspace_delivery", "notice_id", "workspace_notice"),
    ("workspace_delivery", "endpoint_id", "workspace_webhookendpoint"),
    ("workspace_delivery", "recipient_id", "workspace_user"),
]
TARGETS = ["workspace_notice", "workspace_webhookendpoint"]


class Migration(migrations.Migration):
    dependencies = [("workspace", "0008_deliveries")]
    operations = [*map(unique, TARGETS), *(same_workspace(*reference) for reference in REFERENCES)]
