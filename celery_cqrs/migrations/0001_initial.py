"""The tables; and on PostgreSQL an index of the few outbox rows that have an error."""

from django.db import migrations, models

import celery_cqrs.columns

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
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("starts", models.IntegerField(default=0)),
                ("started_at", models.DateTimeField()),
                ("holder", models.IntegerField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Destination",
            fields=[
                ("queue", celery_cqrs.columns.KeyField(max_length=200, primary_key=True, serialize=False)),
                ("confirmed_stamp", models.DateTimeField(null=True)),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("probed_at", models.DateTimeField(null=True)),
                ("probe_seconds", models.FloatField(null=True)),
                ("rests_until", models.DateTimeField(null=True)),
                ("failed_at", models.DateTimeField(null=True)),
                ("failure", celery_cqrs.columns.WideTextField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Lock",
            fields=[
                ("cqrs_id", celery_cqrs.columns.KeyField(max_length=200, primary_key=True, serialize=False)),
            ],
        ),
        migrations.CreateModel(
            name="Tick",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Letter",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("queue", celery_cqrs.columns.KeyField(max_length=200)),
                ("cqrs_id", celery_cqrs.columns.KeyField(max_length=200)),
                ("pk_text", celery_cqrs.columns.KeyField(db_column="pk", max_length=255)),
                ("signal_type", models.CharField(default="", max_length=8)),
                ("revision", models.BigIntegerField(default=-1)),
                ("payload", celery_cqrs.columns.PlainField()),
                ("reason", celery_cqrs.columns.WideTextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("retrying", "retrying"),
                            ("waiting", "waiting"),
                            ("dead", "dead"),
                            ("asked", "asked"),
                        ],
                        max_length=8,
                    ),
                ),
                ("attempts", models.IntegerField(default=0)),
                ("not_before", models.DateTimeField(null=True)),
                ("parent", celery_cqrs.columns.KeyField(blank=True, default="", max_length=200)),
                ("parent_key", celery_cqrs.columns.KeyField(blank=True, default="", max_length=255)),
                ("waits_until", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "permissions": (("replay_letter", "Can replay letters"),),
                "indexes": [
                    models.Index(fields=["state", "not_before"], name="celery_cqrs_letter_due"),
                    models.Index(fields=["state", "updated_at"], name="celery_cqrs_letter_age"),
                    models.Index(fields=["queue", "state", "parent", "parent_key"], name="celery_cqrs_letter_parent"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("pk_text", "cqrs_id", "queue"), name="celery_cqrs_letter_key")
                ],
            },
        ),
        migrations.CreateModel(
            name="Outbox",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(default="sync", max_length=16)),
                ("queue", celery_cqrs.columns.KeyField(max_length=200)),
                ("cqrs_id", celery_cqrs.columns.KeyField(max_length=200)),
                ("pk_text", celery_cqrs.columns.KeyField(db_column="pk", max_length=255)),
                ("signal_type", models.CharField(max_length=8)),
                ("revision", models.BigIntegerField(null=True)),
                ("previous_data", celery_cqrs.columns.PlainField(null=True)),
                ("custom", celery_cqrs.columns.PlainField(null=True)),
                ("meta", celery_cqrs.columns.PlainField(null=True)),
                ("correlation_id", celery_cqrs.columns.PlainField(null=True)),
                ("direct", models.BooleanField(default=False)),
                ("captured_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("available_at", models.DateTimeField()),
                ("attempts", models.IntegerField(default=0)),
                ("error", celery_cqrs.columns.WideTextField(blank=True, default="")),
            ],
            options={
                "verbose_name_plural": "outbox",
                "indexes": [
                    models.Index(fields=["sent_at", "available_at", "id"], name="celery_cqrs_outbox_claim"),
                    models.Index(fields=["pk_text", "cqrs_id"], name="celery_cqrs_outbox_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Tombstone",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("side", models.CharField(max_length=8)),
                ("cqrs_id", celery_cqrs.columns.KeyField(max_length=200)),
                ("pk_text", celery_cqrs.columns.KeyField(db_column="pk", max_length=255)),
                ("revision", models.BigIntegerField()),
                ("deleted_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["deleted_at"], name="celery_cqrs_tombstone_age")],
                "constraints": [
                    models.UniqueConstraint(fields=("pk_text", "cqrs_id", "side"), name="celery_cqrs_tombstone_key")
                ],
            },
        ),
        migrations.RunPython(create_index, drop_index, elidable=False),
    ]
