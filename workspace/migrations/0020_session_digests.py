"""Sessions are stored under the digest of their key. Open ones go on: the browser's cookie holds the key.

Those of nobody are deleted, since they may hold the token of an invitation. Going back ends all sessions, since no key
is found from its digest.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("workspace", "0019_grant_implied_keys")]

    operations = [
        migrations.RunSQL(
            "DELETE FROM workspace_session WHERE user_id IS NULL OR expire_date <= now()", migrations.RunSQL.noop
        ),
        migrations.RenameField("session", "session_key", "digest"),
        migrations.AlterField("session", "digest", models.CharField(max_length=64, primary_key=True, serialize=False)),
        migrations.RunSQL(
            "UPDATE workspace_session SET digest = encode(sha256(convert_to(digest, 'UTF8')), 'hex')",
            "DELETE FROM workspace_session",
        ),
        migrations.AddConstraint(
            "session",
            models.CheckConstraint(condition=models.Q(("digest__regex", "^[0-9a-f]{64}$")), name="session_is_digest"),
        ),
    ]
