"""A provisioning event and its token are of one workspace, whatever the code does."""

from django.db import migrations

_NAME = "scim_provisioningevent_token_id_same_workspace"


class Migration(migrations.Migration):
    dependencies = [("scim", "0002_provisioningevent")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE scim_scimtoken ADD CONSTRAINT scim_scimtoken_in_workspace UNIQUE (workspace_id, id)",
            "ALTER TABLE scim_scimtoken DROP CONSTRAINT scim_scimtoken_in_workspace",
        ),
        migrations.RunSQL(
            f"ALTER TABLE scim_provisioningevent ADD CONSTRAINT {_NAME} FOREIGN KEY (workspace_id, token_id)"
            " REFERENCES scim_scimtoken (workspace_id, id) DEFERRABLE INITIALLY DEFERRED",
            f"ALTER TABLE scim_provisioningevent DROP CONSTRAINT {_NAME}",
        ),
    ]
