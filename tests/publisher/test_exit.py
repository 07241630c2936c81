"""A process that changes something and ends: what it changed is published, and a broken broker does not hold it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from celery_cqrs.models import Outbox
from tests.conftest import on_database
from tests.publisher.conftest import on_sqlite
from tests.publisher.processes import Service
from tests.transport.conftest import RABBITMQ, REDIS

EXIT_SECONDS = 20
"""Two are the promise; ten times as much tells a bounded exit from one that waits for a broker, on any machine."""
ONE_ROW = 'Author.objects.create(name="Ann")'
StartService = Callable[..., Service]


def names_in(broker: Any, shop: str) -> list[str]:
    """The authors in the messages that wait for the replica."""
    messages = [message for payload in broker.inbox.payloads(shop) for message in payload["messages"]]
    return sorted(message["instance_data"]["name"] for message in messages)


def ids_in(broker: Any, shop: str) -> list[int]:
    """The outbox rows in the messages that wait for the replica."""
    messages = [message for payload in broker.inbox.payloads(shop) for message in payload["messages"]]
    return sorted(row_id for message in messages for row_id in message["outbox_ids"])


@pytest.mark.parametrize(
    ("database", "broker"),
    [
        pytest.param("default", "folder", marks=on_database("default", server=False)),
        pytest.param("postgres", "redis", marks=[*on_database("postgres"), pytest.mark.servers("redis")]),
        pytest.param("mariadb", "rabbitmq", marks=[*on_database("mariadb"), pytest.mark.servers("rabbitmq")]),
    ],
    indirect=True,
)
def test_a_command_that_saves_one_row_and_ends_has_published_it(
    database: str, broker: Any, shop: str, start_service: StartService
) -> None:
    ended = start_service(database).run_code(ONE_ROW)
    assert (ended.code, ended.errors) == (0, "")
    assert names_in(broker, shop) == ["Ann"]
    assert ended.exit_seconds < EXIT_SECONDS


@on_sqlite
@pytest.mark.parametrize("broker", [REDIS, RABBITMQ], indirect=True)
def test_a_broker_that_hangs_does_not_hold_the_exit(database: str, broker: Any, start_service: StartService) -> None:
    broker.proxy.freeze()
    ended = start_service(database, socket_timeout_seconds=50).run_code(ONE_ROW)
    assert ended.code == 0
    assert ended.exit_seconds < EXIT_SECONDS
    assert Outbox.objects.count() == 1


@on_sqlite
@pytest.mark.parametrize("broker", [REDIS, RABBITMQ], indirect=True)
def test_a_broker_that_is_down_leaves_the_row_pending(database: str, broker: Any, start_service: StartService) -> None:
    broker.take_away()
    ended = start_service(database).run_code(ONE_ROW)
    assert (ended.code, Outbox.objects.get().sent_at) == (0, None)
    assert ended.exit_seconds < EXIT_SECONDS


@on_sqlite
@pytest.mark.parametrize("broker", ["folder"], indirect=True)
def test_an_exit_code_is_kept(database: str, broker: Any, shop: str, start_service: StartService) -> None:
    ended = start_service(database).run_code(f"{ONE_ROW}; sys.exit(3)")
    assert ended.code == 3
    assert names_in(broker, shop) == ["Ann"]


@on_sqlite
@pytest.mark.parametrize("broker", ["folder"], indirect=True)
def test_an_end_by_an_exception_publishes_what_was_committed(
    database: str, broker: Any, shop: str, start_service: StartService
) -> None:
    ended = start_service(database).run_code(f"{ONE_ROW}; raise RuntimeError('later')")
    assert ended.code == 1
    assert names_in(broker, shop) == ["Ann"]


@on_sqlite
@pytest.mark.parametrize("broker", [REDIS], indirect=True)
def test_an_exit_with_much_left_is_bounded_and_loses_nothing(
    database: str, broker: Any, shop: str, start_service: StartService
) -> None:
    service = start_service(database, batch_size=1)
    ended = service.run_code("Author.cqrs.bulk_create([Author(name=str(number)) for number in range(5_000)])")
    assert ended.exit_seconds < EXIT_SECONDS
    sent = set(Outbox.objects.exclude(sent_at=None).values_list("id", flat=True))
    arrived = set(ids_in(broker, shop))
    assert arrived <= sent and len(sent - arrived) <= 1  # the one that was in hand when the time was up
    assert Outbox.objects.count() == 5_000 > len(sent)


@on_sqlite
@pytest.mark.parametrize("broker", ["folder"], indirect=True)
def test_a_process_that_changed_nothing_starts_no_thread(
    database: str, broker: Any, start_service: StartService
) -> None:
    ended = start_service(database).run_code(
        "list(Author.objects.all())\nimport threading\nprint([thread.name for thread in threading.enumerate()])"
    )
    assert json.loads(ended.output.splitlines()[0].replace("'", '"')) == ["MainThread"]
