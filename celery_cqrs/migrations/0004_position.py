"""Where long commands have come to; and where databases know partial indexes, one for claiming live rows before SYNCs."""

from django.db import migrations, models

import celery_cqrs.columns

CREATE_INDEX = (
    "CREATE INDEX celery_cqrs_outbox_live ON celery_cqrs_outbox (sent_at, available_at, id) "
    "WHERE sent_at IS NULL AND NOT (signal_type = 'SYNC')"
)
DROP_INDEX = "DROP INDEX IF EXISTS celery_cqrs_outbox_live"


def create_index(apps, schema_editor):
    """MariaDB and MySQL know no partial indexes."""
    if schema_editor.connection.features.supports_partial_indexes:
        schema_editor.execute(CREATE_INDEX)


def drop_index(apps, schema_editor):
    """The same."""
    if schema_editor.connection.features.supports_partial_indexes:
        schema_editor.execute(DROP_INDEX)


class Migration(migrations.Migration):
    dependencies = [("celery_cqrs", "0003_runs")]
    operations = [
        migrations.CreateModel(
            name="Position",
            fields=[
                ("name", celery_cqrs.columns.KeyField(max_length=255, primary_key=True, serialize=False)),
                ("place", celery_cqrs.columns.KeyField(max_length=255)),
                ("done", models.BigIntegerField(default=0)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.RunPython(create_index, drop_index, elidable=False),
    ]
