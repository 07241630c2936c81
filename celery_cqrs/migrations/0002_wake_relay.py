"""On PostgreSQL: the trigger that wakes a sleeping relay."""

from django.db import migrations

from celery_cqrs.database.wakeup import CREATE_TRIGGER, DROP_TRIGGER


def create_trigger(apps, schema_editor):
    """PostgreSQL only."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE_TRIGGER)


def drop_trigger(apps, schema_editor):
    """PostgreSQL only."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP_TRIGGER)


class Migration(migrations.Migration):
    dependencies = [("celery_cqrs", "0001_initial")]
    operations = [migrations.RunPython(create_trigger, drop_trigger, elidable=False)]
