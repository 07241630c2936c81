"""What no master of ours would send, put straight into a replica's queue: a letter each, and life goes on."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import kombu
import pytest

from tests.end_to_end.system import SECONDS, System
from tests.harness.waiting import wait_until

APPLY = "celery_cqrs.apply"


def batch(*messages: Any, **changes: Any) -> dict[str, Any]:
    """A batch as atlas sends it, but for the changes."""
    now = datetime.now(UTC).isoformat()
    return {"v": 1, "reply_to": "atlas", "outbox": "default", "sent_at": now, "messages": list(messages), **changes}


def message(**changes: Any) -> dict[str, Any]:
    """One message, good but for the changes."""
    data = {"alpha_2": "ZZ", "cqrs_revision": 0, "cqrs_updated": "2026-01-01T00:00:00+00:00"}
    good = {"signal_type": "SAVE", "cqrs_id": "country", "instance_pk": "ZZ", "instance_data": data}
    return {**good, **changes}


def truth(system: System) -> dict[str, Any]:
    """What atlas would say of its country DE just now."""
    names = ("alpha_2", "alpha_3", "numeric", "name", "official_name", "flag", "cqrs_revision", "cqrs_updated")
    [row] = system.rows("atlas", f"SELECT {', '.join(names)} FROM atlas_country WHERE alpha_2 = 'DE'")
    data = dict(zip(names, row, strict=True))
    data["cqrs_updated"] = data["cqrs_updated"].isoformat()
    return message(instance_pk="DE", instance_data=data)


def forget_neighbour(system: System) -> None:
    """Take DE away from shop, so that one sees when it is applied."""
    system.execute("shop", "DELETE FROM shop_subdivision WHERE country_id = 'DE'")
    system.execute("shop", "DELETE FROM shop_country WHERE iso_code = 'DE'")


def bring_back_places(system: System) -> None:
    """Have atlas send what ``forget_neighbour`` took away besides."""
    system.run_code('Subdivision.objects.get(pk="DE-1").save()')


def wait_for_letter(system: System, sentence: str) -> list[Any]:
    """Until shop has a letter whose reason has this sentence: the letter's row."""
    wait_until(
        lambda: any(sentence in row[3] for row in system.letters_of("shop")),
        what=f"a letter that says {sentence!r}, not {system.letters_of('shop')}",
        seconds=SECONDS,
    )
    return next(list(row) for row in system.letters_of("shop") if sentence in row[3])


BATCHES = {
    "a text": ("nonsense", "the batch must be an object, not str"),
    "nothing": (None, "the batch must be an object, not NoneType"),
    "an unknown wire version": (batch(v=99), "has wire version 99"),
    "no reply_to": (batch(reply_to=None), 'it needs "reply_to"'),
    "messages that are no list": (batch(messages={}), 'it needs "messages"'),
    "no moment": (batch(sent_at="yesterday"), '"sent_at" must be a date and time'),
}
MESSAGES = {
    "a number": (17, "it must be an object, not int"),
    "an unknown id": (message(cqrs_id="planet"), "No replica model of this service has CQRS_ID 'planet'"),
    "an unknown signal": (message(signal_type="EXPLODE", instance_pk="ZX"), '"signal_type" must be one of'),
    "no primary key": (message(instance_pk=None), '"instance_pk" must be a text or a number'),
    "no revision": (
        message(instance_data={"alpha_2": "ZY"}, instance_pk="ZY"),
        '"instance_data" needs "cqrs_revision"',
    ),
    "columns missing": (message(), "does not fit replica model"),
}


@pytest.mark.parametrize("what", BATCHES)
def test_a_batch_that_cannot_be_read_becomes_a_dead_letter_and_the_worker_lives(system: System, what: str) -> None:
    payload, sentence = BATCHES[what]
    pid = system.pid("shop")
    system.send("shop", APPLY, payload)
    assert wait_for_letter(system, sentence)[0] == "dead"
    assert system.pid("shop") == pid
    system.forget_letters()
    system.converge()


def test_bad_messages_become_letters_and_the_good_one_among_them_is_applied(system: System) -> None:
    pid = system.pid("shop")
    system.log("shop").mark()
    forget_neighbour(system)
    bad = [wrong for wrong, _ in MESSAGES.values()]
    system.send("shop", APPLY, batch(*bad[:3], truth(system), *bad[3:]))
    for _, sentence in MESSAGES.values():
        assert wait_for_letter(system, sentence)[0] == "dead"
    system.wait_for("shop", "SELECT 1 FROM shop_country WHERE iso_code = 'DE'")
    assert system.pid("shop") == pid
    assert "WorkerLostError" not in system.log("shop").news()
    system.forget_letters()
    bring_back_places(system)
    system.converge()


def test_bytes_that_are_no_task_at_all_stop_nobody(system: System) -> None:
    pid = system.pid("shop")
    system.log("shop").mark()
    with kombu.Connection(system.broker.url) as connection, connection.Producer(auto_declare=False) as producer:
        headers = {"task": APPLY, "id": "not-json", "lang": "py", "argsrepr": "", "kwargsrepr": ""}
        for body in (b"\xff\xfe{", b'[["not", "closed"'):
            producer.publish(
                body, routing_key="shop", headers=headers, content_type="application/json", content_encoding="utf-8"
            )
        producer.publish({"no": "headers"}, routing_key="shop")
    system.manage("atlas", "story", "one")
    system.wait_equal()
    assert system.pid("shop") == pid
    system.converge()


def test_a_task_of_a_name_that_nobody_has_stops_nobody(system: System) -> None:
    pid = system.pid("shop")
    system.log("shop").mark()
    system.send("shop", "celery_cqrs.of_a_later_release", {"v": 1})
    system.log("shop").wait(re.escape("celery_cqrs.of_a_later_release"), seconds=SECONDS)
    system.manage("atlas", "story", "one")
    system.converge()
    assert system.pid("shop") == pid


@pytest.mark.parametrize("payload", [None, "nonsense", {"v": 99}, {"v": 1, "queue": "shop", "batches": [17]}], ids=str)
def test_a_confirmation_that_cannot_be_read_does_not_stop_the_master(system: System, payload: Any) -> None:
    pid = system.pid("atlas")
    system.wait_ended("atlas", system.send("atlas", "celery_cqrs.confirm", payload))
    assert system.pid("atlas") == pid
    system.converge()


def test_a_stranger_cannot_confirm_rows_of_another_queue(system: System) -> None:
    with system.occupied("shop"):
        [(row_id,)] = system.rows("atlas", "SELECT id FROM celery_cqrs_outbox WHERE queue = 'shop'")
        now = datetime.now(UTC).isoformat()
        receipt = {"outbox": "default", "sent_at": now, "outbox_ids": [row_id]}
        task_id = system.send("atlas", "celery_cqrs.confirm", {"v": 1, "queue": "search", "batches": [receipt]})
        assert system.wait_ended("atlas", task_id) == "succeeded"
        assert system.rows("atlas", "SELECT id FROM celery_cqrs_outbox WHERE queue = 'shop'") == [(row_id,)]
    system.converge()
