"""A provisioning event and its token are of one workspace, whatever the code does."""

from django.db import migrations

from workspace.composite_keys import same_workspace, unique


class Migration(migrations.Migration):
    dependencies = [("scim", "0002_provisioningevent")]
    operations = [
        unique("scim_scimtoken"),
        same_workspace("scim_provisioningevent", "token_id", "scim_scimtoken"),
    ]
