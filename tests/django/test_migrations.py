"""Migrations: ours are complete, and those of projects depend on nothing inside the package."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.management import call_command
from django.db import models
from django.db.migrations import CreateModel, Migration
from django.db.migrations.state import ModelState
from django.db.migrations.writer import MigrationWriter

from celery_cqrs.registry import MasterRegistry, ReplicaRegistry
from tests.app.models import Author

PUBLIC = {"celery_cqrs", "celery_cqrs.mixins"}
MODELS = [
    model
    for registry in (MasterRegistry, ReplicaRegistry)
    for model in registry.models.values()
    if issubclass(model, models.Model) and model.__module__ == "tests.app.models"
]


def migration_of(model: Any) -> str:
    """The text of the migration that ``makemigrations`` would write for the model."""
    state = ModelState.from_model(model)
    migration = Migration("0001_initial", "app")
    migration.operations = [
        CreateModel(state.name, list(state.fields.items()), state.options, state.bases, state.managers)
    ]
    return MigrationWriter(migration, include_header=False).as_string()


@pytest.mark.django_db(databases="__all__")
def test_our_own_migrations_are_complete() -> None:
    call_command("makemigrations", "celery_cqrs", check_changes=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_migration_of_a_project_names_nothing_inside_the_package(model: Any) -> None:
    assert set(re.findall(r"celery_cqrs(?:\.[a-z_]+)*", migration_of(model))) <= PUBLIC


def test_the_revision_is_an_ordinary_integer_in_a_migration() -> None:
    _, path, _, options = Author._meta.get_field("cqrs_revision").deconstruct()
    assert path == "django.db.models.IntegerField"
    assert options["default"] == 0


def test_the_managers_stay_out_of_migrations() -> None:
    assert ModelState.from_model(Author).managers == []
