"""How publishing failed, for other processes to see; and on PostgreSQL an index of the few rows that have an error."""

from django.db import migrations, models

import celery_cqrs.models

CREATE_INDEX = "CREATE INDEX celery_cqrs_outbox_error ON celery_cqrs_outbox (id) WHERE error > ''"
DROP_INDEX = "DROP INDEX IF EXISTS celery_cqrs_outbox_error"


def create_index(apps, schema_editor):
    """PostgreSQL only: MariaDB and MySQL have no partial indexes, and a whole one would cost every capture."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE_INDEX)


def drop_index(apps, schema_editor):
    """PostgreSQL only."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP_INDEX)


class Migration(migrations.Migration):
    dependencies = [("celery_cqrs", "0002_wake_relay")]
    operations = [
        migrations.AddField(
            model_name="destination",
            name="failed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="destination",
            name="failure",
            field=celery_cqrs.models.WideTextField(null=True),
        ),
        migrations.RunPython(create_index, drop_index, elidable=False),
    ]
