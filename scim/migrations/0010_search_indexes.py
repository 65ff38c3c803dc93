"""What the logs are searched and filtered by. Made beside the writers: these tables are the largest there are."""

import django.contrib.postgres.indexes
import django.db.models.deletion
import workspace.models.words
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('scim', '0009_switchoff'),
        ('workspace', '0024_search_indexes'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='provisioningevent',
            index=models.Index(condition=models.Q(('status__gte', 400)), fields=['workspace', '-at'], name='provisioning_refused'),
        ),
        AddIndexConcurrently(
            model_name='provisioningevent',
            index=models.Index(condition=models.Q(('status__gte', 400)), fields=['workspace', 'status', '-at'], name='provisioning_refused_as'),
        ),
        AddIndexConcurrently(
            model_name='provisioningevent',
            index=models.Index(fields=['resource_id', '-at'], name='provisioning_about'),
        ),
        AddIndexConcurrently(
            model_name='provisioningevent',
            index=models.Index(fields=['token', '-at'], name='provisioning_token'),
        ),
        AddIndexConcurrently(
            model_name='provisioningevent',
            index=models.Index(fields=['request_id', '-at'], name='provisioning_request'),
        ),
        AddIndexConcurrently(
            model_name='provisioningevent',
            index=django.contrib.postgres.indexes.GinIndex(workspace.models.words.Words('detail'), condition=models.Q(('detail', ''), _negated=True), name='provisioning_detail'),
        ),
        migrations.AlterField(
            model_name='provisioningevent',
            name='token',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='scim.scimtoken'),
        ),
        RemoveIndexConcurrently(
            model_name='provisioningevent',
            name='provisioning_resource',
        ),
    ]
