"""Celery settings of the project that our tasks could not work with, or would work badly with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kombu
import pytest
from celery import Celery
from django.apps import apps
from django_celery_beat.schedulers import DatabaseScheduler

from tests.django.conftest import problems, the_problem
from tests.transport.conftest import service  # noqa: F401 (a fixture)

DATABASE_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
REDIS = "redis://127.0.0.1:6379/0"
Configured = Callable[..., Celery]


class SchedulerOfTheProject(DatabaseScheduler):
    """One that reads the tables, by another name."""


@pytest.fixture
def configured(service: Configured) -> Configured:  # noqa: F811
    """Makes the Celery app of the service: as recommended, but for these settings."""

    def make(broker: str = "memory://", **changes: Any) -> Celery:
        recommended = {"beat_scheduler": DATABASE_SCHEDULER, "worker_prefetch_multiplier": 1}
        return service(broker, **{**recommended, "broker_transport_options": {"visibility_timeout": 300}, **changes})

    return make


HARMLESS: dict[str, dict[str, Any]] = {
    "nothing else": {},
    "JSON by its content type": {"accept_content": ["application/json"]},
    "more than JSON": {"accept_content": ["json", "msgpack"]},
    "every kind": {"accept_content": None},
    "tasks of its own acknowledged early": {"task_acks_late": False, "task_reject_on_worker_lost": False},
    "no remote control": {"worker_enable_remote_control": False},
    "no result backend": {"result_backend": None},
    "compressed tasks": {"task_compression": "zlib"},
    "a limit of minutes": {"task_time_limit": 300, "task_soft_time_limit": 240},
    "its queue declared by hand": {"task_create_missing_queues": False, "task_queues": [kombu.Queue("replica")]},
    "beat by the alias": {"beat_scheduler": "django"},
    "a database scheduler of its own": {"beat_scheduler": f"{__name__}:SchedulerOfTheProject"},
    "no prefetching at all": {"worker_disable_prefetch": True, "worker_prefetch_multiplier": 4},
}


@pytest.mark.parametrize("name", HARMLESS)
@pytest.mark.parametrize("broker", ["amqp://", REDIS])
def test_settings_that_do_no_harm_are_not_talked_about(configured: Configured, broker: str, name: str) -> None:
    configured(broker, **HARMLESS[name])
    assert problems() == []


def test_the_memory_transport_asks_nothing_of_celery(configured: Configured, configure: Callable[..., None]) -> None:
    configured(task_always_eager=True, accept_content=["pickle"], task_protocol=1)
    configure(transport="celery_cqrs.transport.memory.MemoryTransport")
    assert problems() == []


@pytest.mark.parametrize("accepted", [["pickle"], ["yaml", "application/data"], []], ids=str)
def test_workers_that_would_refuse_our_tasks_are_not_started(configured: Configured, accepted: list[str]) -> None:
    configured(accept_content=accepted)
    number, sentence, hint = the_problem()
    assert number == "E020"
    assert sentence == f"accept_content = {accepted!r} refuses 'json', which celery_cqrs sends."
    assert "Add 'json' to accept_content" in hint


def test_workers_that_would_refuse_what_beat_sends_are_not_started(configured: Configured) -> None:
    configured(task_serializer="pickle")
    assert the_problem()[:2] == ("E020", "accept_content = ('json',) refuses 'pickle', which beat sends.")


def test_a_protocol_that_shows_the_data_of_rows_is_refused(configured: Configured) -> None:
    configured(task_protocol=1)
    assert the_problem()[0] == "E021"


def test_a_queue_that_celery_may_not_make_must_be_declared(configured: Configured) -> None:
    configured(task_create_missing_queues=False, task_queues=[kombu.Queue("media")])
    number, sentence, hint = the_problem()
    assert (number, sentence) == (
        "E022",
        "task_create_missing_queues is False, and task_queues does not have 'replica'.",
    )
    assert "Add Queue('replica') to task_queues" in hint


def test_eager_tasks_are_told_of_the_memory_transport(configured: Configured) -> None:
    configured(task_always_eager=True)
    number, _, hint = the_problem()
    assert number == "W020"
    assert "celery_cqrs.transport.memory.MemoryTransport" in hint


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "What a killed worker held comes back from Redis after up to 3,700 s."),
        ({"visibility_timeout": 7200}, "What a killed worker held comes back from Redis after up to 7,300 s."),
        (
            {"visibility_timeout": 15},
            "Redis gives a batch to a second worker after 15 s, while the first may be at it.",
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("broker", [REDIS, "rediss://127.0.0.1:6380/0", "sentinel://127.0.0.1:26379/0"])
def test_a_visibility_timeout_that_nobody_would_choose_is_told(
    configured: Configured, broker: str, options: dict[str, Any], sentence: str
) -> None:
    configured(broker, broker_transport_options=options)
    number, found, hint = the_problem()
    assert (number, found) == ("W021", sentence)
    assert '"visibility_timeout": 300' in hint


@pytest.mark.skipif(kombu.VERSION < (5, 7), reason="this kombu sweeps as it likes")
def test_a_sweep_that_comes_late_counts_as_hiding(configured: Configured) -> None:
    configured(REDIS, broker_transport_options={"visibility_timeout": 300, "unacked_restore_interval": 100})
    assert the_problem()[:2] == ("W021", "What a killed worker held comes back from Redis after up to 1,300 s.")


@pytest.mark.parametrize(("multiplier", "held"), [(0, "every batch that waits"), (4, "4 batches for each")])
def test_a_worker_that_hoards_batches_is_told(configured: Configured, multiplier: int, held: str) -> None:
    configured(worker_prefetch_multiplier=multiplier)
    number, sentence, hint = the_problem()
    assert number == "W022"
    assert held in sentence
    assert "worker_prefetch_multiplier = 1" in hint


@pytest.mark.parametrize(
    "scheduler", ["celery.beat:PersistentScheduler", "celery.beat.Scheduler", "nowhere:Scheduler", None]
)
def test_a_beat_that_does_not_read_its_tables_is_told(configured: Configured, scheduler: Any) -> None:
    configured(beat_scheduler=scheduler)
    number, _, hint = the_problem()
    assert number == "W023"
    assert DATABASE_SCHEDULER in hint


def test_a_project_without_beats_tables_may_run_any_beat(configured: Configured, settings: Any) -> None:
    settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name != "django_celery_beat"]
    assert not apps.is_installed("django_celery_beat")
    configured(beat_scheduler="celery.beat:PersistentScheduler")
    assert problems() == []


def test_a_sigterm_that_kills_batches_is_told(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMAP_SIGTERM", "SIGQUIT")
    configured()
    number, _, hint = the_problem()
    assert number == "W025"
    assert "worker_soft_shutdown_timeout = 60" in hint


def test_a_sigterm_that_leaves_batches_some_time_is_right(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REMAP_SIGTERM", "SIGQUIT")
    configured(worker_soft_shutdown_timeout=60)
    assert problems() == []


@pytest.mark.parametrize("name", ["task_time_limit", "task_soft_time_limit"])
def test_a_time_limit_that_ends_batches_is_told(configured: Configured, name: str) -> None:
    configured(**{name: 10})
    number, sentence, _ = the_problem()
    assert (number, sentence.split(" ends")[0]) == ("W027", f"{name} = 10")
