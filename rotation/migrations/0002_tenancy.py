"""Composite foreign keys: a row and what it points at are of one workspace, whatever the code does."""

from django.db import migrations

from workspace.composite_keys import same_workspace, unique

# (table, column, referenced table); rows with a null reference are not checked, as SQL has it.
REFERENCES = [
    ("rotation_offboarding", "user_id", "workspace_user"),
    ("rotation_exposure", "offboarding_id", "rotation_offboarding"),
    ("rotation_exposure", "account_id", "workspace_account"),
    ("rotation_exposure", "version_id", "workspace_secretversion"),
    ("rotation_rotationjob", "account_id", "workspace_account"),
    ("rotation_rotationjob", "candidate_id", "workspace_secretversion"),
    ("rotation_rotationstep", "job_id", "rotation_rotationjob"),
]
TARGETS = sorted({target for _, _, target in REFERENCES if target.startswith("rotation_")})


class Migration(migrations.Migration):
    dependencies = [("rotation", "0001_initial"), ("workspace", "0002_tenancy")]
    operations = [*map(unique, TARGETS), *(same_workspace(*reference) for reference in REFERENCES)]
