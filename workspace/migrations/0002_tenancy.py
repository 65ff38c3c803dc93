"""Composite foreign keys: a row and what it points at are of one workspace, whatever the code does."""

from django.db import migrations

from workspace.composite_keys import same_workspace, unique

# (table, column, referenced table); rows with a null reference are not checked, as SQL has it.
REFERENCES = [
    ("workspace_teammembership", "team_id", "workspace_team"),
    ("workspace_teammembership", "user_id", "workspace_user"),
    ("workspace_apikey", "user_id", "workspace_user"),
    ("workspace_account", "admin_account_id", "workspace_account"),
    ("workspace_secretversion", "account_id", "workspace_account"),
    ("workspace_grant", "account_id", "workspace_account"),
    ("workspace_grant", "user_id", "workspace_user"),
    ("workspace_grant", "team_id", "workspace_team"),
    ("workspace_reveal", "account_id", "workspace_account"),
    ("workspace_reveal", "user_id", "workspace_user"),
    ("workspace_reveal", "version_id", "workspace_secretversion"),
]
TARGETS = sorted({target for _, _, target in REFERENCES})


class Migration(migrations.Migration):
    dependencies = [("workspace", "0001_initial")]
    operations = [*map(unique, TARGETS), *(same_workspace(*reference) for reference in REFERENCES)]
