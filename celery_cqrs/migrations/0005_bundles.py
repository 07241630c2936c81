"""Outbox rows for many keys at once, and an index in which a claim finds them among any number of others."""

from django.db import migrations, models

import celery_cqrs.columns

INDEX = "celery_cqrs_outbox_bundle"
ADD_SIZE = "ALTER TABLE celery_cqrs_outbox ADD COLUMN size integer NOT NULL DEFAULT 1"
"""With a default in the database: processes that know no bundles yet go on capturing while this is rolled out."""
REMOVE_SIZE = "ALTER TABLE celery_cqrs_outbox DROP COLUMN size"
BUNDLES_AT_ONCE = 20


def create_index(apps, schema_editor):
    """MariaDB and MySQL know no partial indexes."""
    if schema_editor.connection.features.supports_partial_indexes:
        columns, condition = "sent_at, available_at, id", " WHERE kind = 'bundle'"
    else:
        columns, condition = "kind, sent_at, available_at, id", ""
    schema_editor.execute(f"CREATE INDEX {INDEX} ON celery_cqrs_outbox ({columns}){condition}")


def drop_index(apps, schema_editor):
    """MariaDB and MySQL want to know the table."""
    table = " ON celery_cqrs_outbox" if schema_editor.connection.vendor == "mysql" else ""
    schema_editor.execute(f"DROP INDEX {INDEX}{table}")


def take_apart(apps, schema_editor):
    """On the way back: each key of a bundle becomes a row of its own, which the version before sends as any other."""
    outbox = apps.get_model("celery_cqrs", "Outbox").objects.using(schema_editor.connection.alias)
    while bundles := list(outbox.filter(kind="bundle").order_by("id")[:BUNDLES_AT_ONCE]):
        outbox.bulk_create(
            outbox.model(
                kind="sync", pk_text=key, **{name: getattr(one, name) for name in TAKEN_ALONG}, sent_at=None, attempts=0
            )
            for one in bundles
            for key in one.keys
            if key is not None
        )
        outbox.filter(id__in=[one.id for one in bundles]).delete()


TAKEN_ALONG = ("queue", "cqrs_id", "signal_type", "direct", "captured_at", "available_at", "error")


class Migration(migrations.Migration):
    dependencies = [("celery_cqrs", "0004_position")]
    operations = [
        migrations.AddField("outbox", "keys", celery_cqrs.columns.PlainField(null=True)),
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL(ADD_SIZE, REMOVE_SIZE)],
            [migrations.AddField("outbox", "size", models.IntegerField(default=1))],
        ),
        migrations.RunPython(create_index, drop_index, atomic=False, elidable=False),
        migrations.RunPython(migrations.RunPython.noop, take_apart),
    ]
