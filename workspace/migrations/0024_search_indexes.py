"""What the logs are searched and filtered by. Made beside the writers: these tables are the largest there are."""

import django.contrib.postgres.indexes
import django.db.models.fields.json
import django.db.models.functions.comparison
import django.db.models.lookups
import workspace.models.words
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('workspace', '0023_auditevent_request_id'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='account',
            index=django.contrib.postgres.indexes.GinIndex(workspace.models.words.Words('name', 'username'), name='account_words'),
        ),
        AddIndexConcurrently(
            model_name='auditevent',
            index=models.Index(fields=['workspace', 'verb', '-id'], name='audit_verb'),
        ),
        AddIndexConcurrently(
            model_name='auditevent',
            index=models.Index(fields=['workspace', 'actor_kind', '-id'], name='audit_actor_kind'),
        ),
        AddIndexConcurrently(
            model_name='auditevent',
            index=models.Index(fields=['subject_id', '-id'], name='audit_about'),
        ),
        AddIndexConcurrently(
            model_name='auditevent',
            index=models.Index(condition=models.Q(('actor_id__isnull', False)), fields=['actor_id', '-id'], name='audit_done_by'),
        ),
        AddIndexConcurrently(
            model_name='auditevent',
            index=models.Index(django.db.models.functions.comparison.Coalesce(django.db.models.fields.json.KeyTextTransform('account', 'detail'), django.db.models.fields.json.KeyTextTransform('holder', 'detail'), django.db.models.fields.json.KeyTextTransform('person', 'detail'), django.db.models.fields.json.KeyTextTransform('owner', 'detail')), models.OrderBy(models.F('id'), descending=True), condition=models.Q(django.db.models.lookups.IsNull(django.db.models.functions.comparison.Coalesce(django.db.models.fields.json.KeyTextTransform('account', 'detail'), django.db.models.fields.json.KeyTextTransform('holder', 'detail'), django.db.models.fields.json.KeyTextTransform('person', 'detail'), django.db.models.fields.json.KeyTextTransform('owner', 'detail')), False)), name='audit_mentioned'),
        ),
        AddIndexConcurrently(
            model_name='auditevent',
            index=models.Index(condition=models.Q(('request_id', ''), _negated=True), fields=['request_id', '-id'], name='audit_request'),
        ),
        AddIndexConcurrently(
            model_name='auditevent',
            index=django.contrib.postgres.indexes.GinIndex(workspace.models.words.Words('actor_label'), condition=models.Q(('actor_kind', 'command')), name='audit_command'),
        ),
        AddIndexConcurrently(
            model_name='team',
            index=django.contrib.postgres.indexes.GinIndex(workspace.models.words.Words('display_name'), name='team_words'),
        ),
        AddIndexConcurrently(
            model_name='user',
            index=django.contrib.postgres.indexes.GinIndex(workspace.models.words.Words('user_name', 'email', 'given_name', 'family_name', 'display_name'), name='user_words'),
        ),
        RemoveIndexConcurrently(
            model_name='auditevent',
            name='audit_subject',
        ),
    ]
