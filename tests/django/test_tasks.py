"""What Celery's side of a service consists of: tasks under the names of the wire, and the entries of beat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from django_celery_beat.schedulers import ModelEntry

NAMES = {f"celery_cqrs.{name}" for name in "apply confirm drain retry prune repair compare reconcile".split()}
MakeApp = Callable[..., Celery]


@pytest.fixture
def make_app() -> Iterator[MakeApp]:
    """Makes finalized Celery apps as a project does, with this configuration."""
    made: list[Celery] = []

    def make(**configuration: Any) -> Celery:
        app = Celery("project", set_as_current=False)
        app.conf.update(configuration)
        app.finalize()
        made.append(app)
        return app

    yield make
    for app in made:
        app.close()


def test_the_tasks_have_the_names_of_the_wire(make_app: MakeApp) -> None:
    assert {name for name in make_app().tasks if name.startswith("celery_cqrs.")} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_task_acknowledges_late_and_comes_back_when_its_worker_dies(make_app: MakeApp, name: str) -> None:
    task = make_app(task_acks_late=False, task_reject_on_worker_lost=False).tasks[name]
    assert (task.acks_late, task.reject_on_worker_lost) == (True, True)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_task_asks_for_no_result(make_app: MakeApp, name: str) -> None:
    assert make_app(task_ignore_result=False).tasks[name].ignore_result is True


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_task_never_retries_by_celery(make_app: MakeApp, name: str) -> None:
    assert not getattr(make_app().tasks[name], "autoretry_for", None)


def test_beat_drains_retries_and_prunes_on_the_services_own_queue(
    configure: Callable[..., None], make_app: MakeApp
) -> None:
    configure(queue="atlas", master={"sweep_seconds": 3}, replica={"retry_sweep_seconds": 4})
    schedule = make_app().conf.beat_schedule
    assert {name: entry["schedule"] for name, entry in schedule.items()} == {
        "celery_cqrs.drain": 3,
        "celery_cqrs.retry": 4,
        "celery_cqrs.prune": 3_600,
    }
    assert {entry["options"]["queue"] for entry in schedule.values()} == {"atlas"}


def test_beats_entries_run_the_tasks_of_their_names(make_app: MakeApp) -> None:
    app = make_app()
    assert all(entry["task"] == name in app.tasks for name, entry in app.conf.beat_schedule.items())


def test_an_entry_that_the_project_has_set_is_kept(make_app: MakeApp) -> None:
    own = {"task": "celery_cqrs.drain", "schedule": 99}
    schedule = make_app(
        beat_schedule={"celery_cqrs.drain": own, "mine": {"task": "mine", "schedule": 1}}
    ).conf.beat_schedule
    assert schedule["celery_cqrs.drain"] == own
    assert set(schedule) == {"celery_cqrs.drain", "celery_cqrs.retry", "celery_cqrs.prune", "mine"}


def test_a_service_without_replicas_has_nothing_to_drain(configure: Callable[..., None], make_app: MakeApp) -> None:
    configure(master={"replicas": {}})
    assert set(make_app().conf.beat_schedule) == {"celery_cqrs.retry", "celery_cqrs.prune"}


def test_an_app_that_is_configured_by_django_settings_gets_the_entries(settings: Any) -> None:
    settings.CELERY_BEAT_SCHEDULE = {"mine": {"task": "mine", "schedule": 1}}
    app = Celery("project", set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.autodiscover_tasks()
    app.finalize()
    try:
        assert set(app.conf.beat_schedule) == {"celery_cqrs.drain", "celery_cqrs.retry", "celery_cqrs.prune", "mine"}
    finally:
        app.close()


def test_the_app_of_the_project_has_the_entries_without_being_asked() -> None:
    from tests.app.celery import app

    app.finalize()
    assert {"celery_cqrs.drain", "celery_cqrs.retry", "celery_cqrs.prune"} <= set(app.conf.beat_schedule)


def test_a_beat_that_ran_while_the_worker_was_down_leaves_no_pile(make_app: MakeApp) -> None:
    app = make_app()
    for name, entry in app.conf.beat_schedule.items():
        assert entry["options"].get("expires") or app.tasks[name].expires, name


@pytest.mark.django_db
def test_the_database_scheduler_leaves_no_pile_either(make_app: MakeApp) -> None:
    app = make_app()
    for name, fields in app.conf.beat_schedule.items():
        entry = ModelEntry.from_entry(name, app=app, **fields)
        assert entry.options.get("expires") or app.tasks[name].expires, name
        assert entry.options["queue"] == "replica"
