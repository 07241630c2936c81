"""When comparisons begin: rows of django-celery-beat, made once, or else entries of the app's own schedule."""

from __future__ import annotations

import json

import pytest
from celery import Celery
from django.conf import settings
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from celery_cqrs import beat, tasks
from celery_cqrs.models import Reconciliation
from tests.settle.conftest import sqlite  # noqa: F401 (fixture)

QUICK, DEEP = "celery_cqrs.reconcile", "celery_cqrs.reconcile deep"


@pytest.fixture
def nothing_yet(db):
    """No entry of ours."""
    PeriodicTask.objects.all().delete()
    IntervalSchedule.objects.all().delete()


def test_a_migration_makes_an_entry_for_each_depth_on_the_services_queue(nothing_yet, configure):
    configure(queue="atlas", reconcile={"every_seconds": 1800})
    beat.make_rows(using="default")
    rows = {row.name: row for row in PeriodicTask.objects.all()}
    assert {name: (row.interval.every, row.interval.period) for name, row in rows.items()} == {
        QUICK: (1800, "seconds"),
        DEEP: (86_400, "seconds"),
    }
    assert {(row.task, row.queue, row.expire_seconds, row.enabled) for row in rows.values()} == {
        (QUICK, "atlas", 600, True)
    }
    assert json.loads(rows[DEEP].args) == [{"v": 1, "order": "start", "deep": True}]


def test_what_a_person_has_changed_stays_as_it_is(nothing_yet):
    beat.make_rows(using="default")
    PeriodicTask.objects.filter(name=QUICK).update(enabled=False, queue="other")
    beat.make_rows(using="default")
    assert list(PeriodicTask.objects.filter(name=QUICK).values_list("enabled", "queue")) == [(False, "other")]
    assert PeriodicTask.objects.count() == 2


def test_a_service_without_replicas_compares_nothing(nothing_yet, configure):
    configure(master={"replicas": {}})
    beat.make_rows(using="default")
    assert not PeriodicTask.objects.exists()


def test_without_its_tables_the_schedule_of_the_app_has_the_entries(settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_celery_beat"]
    app = Celery("project", set_as_current=False)
    tasks.schedule_beat(app)
    entry = app.conf.beat_schedule[DEEP]
    assert (entry["task"], entry["schedule"], entry["options"]["queue"]) == (QUICK, 86_400, "replica")
    assert set(app.conf.beat_schedule) >= {QUICK, DEEP}


def test_with_its_tables_the_schedule_of_the_app_has_none():
    app = Celery("project", set_as_current=False)
    tasks.schedule_beat(app)
    assert not {QUICK, DEEP} & set(app.conf.beat_schedule)


def test_an_entry_begins_a_comparison_of_everything(sqlite, configure):  # noqa: F811
    configure(master={"replicas": {"replica": ["author", "product"], "search": ["author"]}})
    beat.make_rows(using="default")
    tasks.reconcile(*json.loads(PeriodicTask.objects.get(name=DEEP).args))
    found = Reconciliation.objects.order_by("id").values_list("cqrs_id", "queue", "deep")
    assert set(found) == {("author", "replica", True), ("author", "search", True), ("product", "replica", True)}


def test_comparing_more_rarely_than_deletions_are_remembered_is_refused(configure):
    from celery_cqrs.checks.configuration import check_values

    configure(reconcile={"deep_every_seconds": settings.CQRS.get("tombstone_seconds", 864_000)})
    (problem,) = check_values()
    assert "tombstone_seconds" in problem.msg and "deep_every_seconds" in problem.msg
