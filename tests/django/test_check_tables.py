"""Where the models are, the tables must be: asked only when Django looks at databases, and never in migrate's way."""

from __future__ import annotations

from tests.django.conftest import RIGHT, Run

CHECK = ("django", "check")
MIGRATE = ("django", "migrate", "--verbosity", "0")


def test_a_master_without_an_outbox_is_told_what_to_run(project: Run) -> None:
    done = project(*CHECK, "--database", "default", cqrs=RIGHT)
    assert done.returncode != 0
    assert "(celery_cqrs.E009) database 'default' has no table celery_cqrs_outbox." in done.stderr
    assert "(celery_cqrs.E009) database 'default' has no table celery_cqrs_letter." in done.stderr
    assert "HINT: Run: manage.py migrate --database default" in done.stderr


def test_a_check_that_looks_at_no_database_misses_no_table(project: Run) -> None:
    done = project(*CHECK, cqrs=RIGHT)
    assert (done.returncode, done.stderr) == (0, "")


def test_migrate_is_not_refused_and_makes_what_was_missing(project: Run) -> None:
    migrated = project(*MIGRATE, cqrs=RIGHT)
    assert (migrated.returncode, migrated.stderr) == (0, "")
    checked = project(*CHECK, "--database", "default", cqrs=RIGHT)
    assert (checked.returncode, checked.stderr) == (0, "")
