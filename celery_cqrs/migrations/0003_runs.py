"""Comparisons with replicas, and their questions."""

import celery_cqrs.columns
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("celery_cqrs", "0002_wake_relay"),
    ]

    operations = [
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("token", models.CharField(max_length=32, unique=True)),
                ("cqrs_id", celery_cqrs.columns.KeyField(max_length=200)),
                ("queue", celery_cqrs.columns.KeyField(max_length=200)),
                ("active", models.BooleanField(default=True, null=True)),
                ("state", models.CharField(default="requested", max_length=16)),
                ("note", celery_cqrs.columns.WideTextField(blank=True, default="")),
                ("deep", models.BooleanField(default=False)),
                ("repair", models.BooleanField(default=True)),
                ("lift", models.BooleanField(default=False)),
                ("force", models.BooleanField(default=False)),
                ("key_kind", models.CharField(default="", max_length=40)),
                ("columns", celery_cqrs.columns.PlainField(default=list)),
                ("position", models.BigIntegerField(null=True)),
                ("walked", models.BooleanField(default=False)),
                ("fence", models.BigIntegerField(default=0)),
                ("leased_until", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField()),
                ("heard_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("master_rows", models.BigIntegerField(default=0)),
                ("replica_rows", models.BigIntegerField(default=0)),
                ("missing", models.BigIntegerField(default=0)),
                ("extra", models.BigIntegerField(default=0)),
                ("stale", models.BigIntegerField(default=0)),
                ("content", models.BigIntegerField(default=0)),
                ("ahead", models.BigIntegerField(default=0)),
                ("letter", models.BigIntegerField(default=0)),
                ("repaired", models.BigIntegerField(default=0)),
                ("bytes_exchanged", models.BigIntegerField(default=0)),
                ("keys", celery_cqrs.columns.PlainField(default=dict)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["active"], name="celery_cqrs_run_open"),
                    models.Index(fields=["ended_at"], name="celery_cqrs_run_age"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("cqrs_id", "queue", "active"), name="celery_cqrs_run_active")
                ],
            },
        ),
        migrations.CreateModel(
            name="Inquiry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=8)),
                ("payload", celery_cqrs.columns.PlainField()),
                ("asked_at", models.DateTimeField(null=True)),
                ("tries", models.IntegerField(default=0)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="inquiries",
                        to="celery_cqrs.reconciliation",
                    ),
                ),
            ],
        ),
    ]
