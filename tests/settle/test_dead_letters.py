"""``cqrs_dead_letters dump|retry|purge``: what a person sees of letters and can do about them."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from celery_cqrs.models import Letter
from celery_cqrs.replica import dead_letters
from celery_cqrs.transport.base import RETRY
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import AuthorRef
from tests.receive.wire import deliver, message, retry_now
from tests.settle.replicas import Failing
from tests.settle.transports import PATH


@pytest.fixture(autouse=True)
def no_retries(configure):
    """What fails is dead at once."""
    configure(replica={"CQRS_MAX_RETRIES": 0})


def failing(pk, revision=0):
    return message("failing", pk, revision, name=f"name at {revision}")


def run(*arguments):
    """The lines that the command prints."""
    out = io.StringIO()
    call_command("cqrs_dead_letters", *arguments, stdout=out, stderr=out)
    return out.getvalue().splitlines()


def dumped(*arguments):
    """The keys of the letters that are dumped."""
    return sorted(json.loads(line)["instance_pk"] for line in run("dump", *arguments))


def ids(*pks):
    return [str(Letter.objects.get(pk_text=str(pk)).pk) for pk in pks]


# ── dump ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_dump_has_a_line_of_json_for_each_letter_with_the_message_as_it_came(database):
    wire = {**failing(7, 3), "previous_data": None, "correlation_id": "c", "expires": "2126-01-01T00:00:00+00:00"}
    deliver(wire, failing(8))
    lines = [json.loads(line) for line in run("dump")]
    assert [line["instance_pk"] for line in lines] == [7, 8]
    assert {key: lines[0][key] for key in wire} == wire
    assert lines[0]["retries"] == 1


@pytest.mark.usefixtures("sqlite")
def test_a_dump_says_beside_the_message_why_it_is_dead_and_under_which_id():
    deliver(failing(7))
    kept = Letter.objects.get()
    (line,) = run("dump")
    facts = json.loads(line)["letter"]
    assert facts["failed_at"] == kept.updated_at.isoformat()
    assert (facts["id"], facts["state"], facts["reason"]) == (kept.pk, "dead", "RuntimeError: not today")


@pytest.mark.usefixtures("sqlite")
def test_a_dump_shows_what_is_no_message_too():
    deliver("nonsense", {"cqrs_id": "failing", "instance_pk": 3})
    lines = [json.loads(line) for line in run("dump")]
    assert lines[0]["payload"] == "nonsense"
    assert lines[1]["instance_pk"] == 3


@pytest.mark.usefixtures("sqlite")
def test_a_dump_of_nothing_is_empty():
    assert run("dump") == []


@pytest.mark.usefixtures("sqlite")
def test_a_dump_reads_a_portion_of_letters_at_a_time():
    make_letters(2 * dead_letters.PORTION + 1)
    with CaptureQueriesContext(connection) as done:
        assert len(dumped()) == 2 * dead_letters.PORTION + 1
    reads = [query["sql"] for query in done if "payload" in query["sql"]]
    assert len(reads) == 4
    assert all(f"LIMIT {dead_letters.PORTION}" in sql for sql in reads)


def make_letters(count, **fields):
    """That many dead letters, as the flow would have made them."""
    deliver(failing(1))
    kept = Letter.objects.get()
    facts = {name: getattr(kept, name) for name in "queue cqrs_id signal_type revision payload reason state".split()}
    Letter.objects.bulk_create(Letter(**{**facts, **fields}, pk_text=str(pk), attempts=1) for pk in range(2, count + 1))


# ── filters ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def variety(sqlite, configure):
    """Letters of every kind, on SQLite."""
    make_variety(configure)


def make_variety(configure):
    """Dead: failing 1 and 2, unicorn 3; retrying: failing 4; of another service: failing 5."""
    deliver(failing(1), failing(2), message("unicorn", 3))
    Letter.objects.filter(pk_text="2").update(
        reason="Timeout: 100% slow", updated_at=timezone.now() - timedelta(seconds=1_000)
    )
    configure(replica={"CQRS_MAX_RETRIES": 5})
    deliver(failing(4))
    configure(queue="neighbour", replica={"CQRS_MAX_RETRIES": 0})
    deliver(failing(5))
    configure(queue="replica")


FILTERS = [
    ([], [1, 2, 3]),
    (["--cqrs-id", "failing"], [1, 2]),
    (["-cid", "unicorn"], [3]),
    (["--pk", "2"], [2]),
    (["--reason", "timeout"], [2]),
    (["-r", "100%"], [2]),
    (["--older-than", "500"], [2]),
    (["--state", "retrying"], [4]),
    (["--state", "any"], [1, 2, 3, 4]),
    (["--cqrs-id", "failing", "--pk", "1"], [1]),
]


@pytest.mark.parametrize(("arguments", "expected"), FILTERS)
def test_only_what_was_chosen_is_dumped(variety, arguments, expected):
    assert dumped(*arguments) == expected


def test_the_filters_mean_the_same_on_every_database(database, configure):
    make_variety(configure)
    assert [dumped(*arguments) for arguments, _ in FILTERS] == [expected for _, expected in FILTERS]


@pytest.mark.usefixtures("variety")
def test_letters_are_chosen_by_their_ids_too():
    assert dumped("--id", *ids(3, 1)) == [1, 3]


@pytest.mark.usefixtures("variety")
@pytest.mark.parametrize("action", ["dump", "retry", "purge"])
def test_an_id_that_no_model_and_no_letter_has_is_refused(action):
    with pytest.raises(CommandError, match=r"^Wrong CQRS ID: nobody!$"):
        run(action, "--cqrs-id", "nobody")


@pytest.mark.usefixtures("variety")
@pytest.mark.parametrize("arguments", [["--pk", "99"], ["--id", "999999999"], ["--cqrs-id", "author"]])
@pytest.mark.parametrize("action", ["dump", "retry", "purge"])
def test_a_filter_that_finds_nothing_is_an_error(action, arguments):
    with pytest.raises(CommandError, match="No objects found for filter!"):
        run(action, *arguments)


# ── retry ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_retry_applies_what_was_mended_and_prints_each_message(database):
    deliver(failing(1, 3), failing(2))
    Failing.broken = False
    lines = run("retry")
    assert lines[:2] == ["Total dead letters: 2", "Retrying: 1/2"]
    assert (json.loads(lines[2])["instance_pk"], json.loads(lines[2])["retries"]) == (1, 0)
    assert lines[3] == "Retrying: 2/2"
    assert AuthorRef.objects.count() == 2
    assert not Letter.objects.exists()


@pytest.mark.usefixtures("sqlite")
def test_a_retry_of_nothing_says_so():
    assert run("retry") == ["Total dead letters: 0"]


@pytest.mark.usefixtures("sqlite")
def test_a_retry_that_fails_again_has_a_budget_of_its_own(configure):
    deliver(failing(1))
    configure(replica={"CQRS_MAX_RETRIES": 2})
    run("retry")
    tries = [(Letter.objects.get().state, Letter.objects.get().attempts)]
    while Letter.objects.get().state == Letter.RETRYING:
        retry_now()
        tries.append((Letter.objects.get().state, Letter.objects.get().attempts))
    assert tries == [("retrying", 1), ("retrying", 2), ("dead", 3)]


@pytest.mark.usefixtures("sqlite")
def test_only_what_was_chosen_is_retried():
    deliver(failing(1), failing(2))
    Failing.broken = False
    run("retry", "--pk", "2")
    assert AuthorRef.objects.get().pk == 2
    assert Letter.objects.get().pk_text == "1"


@pytest.mark.usefixtures("sqlite")
def test_with_a_broker_a_worker_is_woken_and_the_command_does_not_wait(configure):
    deliver(failing(1))
    configure(transport=PATH)
    Failing.broken = False
    run("retry")
    kept = Letter.objects.get()
    assert (kept.state, kept.attempts) == (Letter.RETRYING, 0)
    assert kept.not_before <= timezone.now()
    (wake_up,) = MemoryTransport.queues["replica"]
    assert (wake_up.task, wake_up.countdown_seconds) == (RETRY, 0)


@pytest.mark.usefixtures("sqlite")
def test_more_letters_than_one_task_may_try_are_all_retried():
    make_letters(1_101)
    for letter in Letter.objects.all():
        letter.payload["instance_data"]["id"] = letter.payload["instance_pk"] = int(letter.pk_text)
        letter.save()
    Failing.broken = False
    run("retry")
    assert AuthorRef.objects.count() == 1_101
    assert not Letter.objects.exists()


@pytest.mark.usefixtures("sqlite")
def test_a_full_portion_wakes_the_next_one():
    make_letters(501)
    MemoryTransport.clear()
    Letter.objects.update(state=Letter.RETRYING)
    retry_now()
    assert [one.task for one in MemoryTransport.queues["replica"]] == [RETRY]


@pytest.mark.usefixtures("sqlite")
def test_what_is_no_message_cannot_be_retried_and_the_others_are(capsys):
    deliver("nonsense", failing(2))
    Failing.broken = False
    with pytest.raises(CommandError, match="1 of 2 letters cannot be retried"):
        call_command("cqrs_dead_letters", "retry")
    said = capsys.readouterr().err
    assert "cannot be retried. The message is refused: " in said
    assert "purge this letter" in said
    assert AuthorRef.objects.get().pk == 2
    assert Letter.objects.get().state == Letter.DEAD


@pytest.mark.usefixtures("sqlite")
def test_what_has_no_model_cannot_be_retried_until_it_has_one(capsys):
    deliver(message("unicorn", 1))
    with pytest.raises(CommandError, match="1 of 1 letters cannot be retried"):
        call_command("cqrs_dead_letters", "retry")
    assert "No replica model of this service has CQRS_ID 'unicorn'. Add the model" in capsys.readouterr().err
    with pytest.raises(CommandError, match="Wrong CQRS ID: unicorn! Add its replica model"):
        run("retry", "--cqrs-id", "unicorn")
    Letter.objects.update(payload={**Letter.objects.get().payload, **failing(1)}, cqrs_id="failing")
    Failing.broken = False
    run("retry")
    assert AuthorRef.objects.count() == 1


@pytest.mark.usefixtures("sqlite")
def test_a_letter_that_waits_for_its_time_can_be_hurried(configure):
    configure(replica={"CQRS_MAX_RETRIES": 5})
    deliver(failing(1))
    Failing.broken = False
    run("retry", "--state", "retrying")
    assert AuthorRef.objects.count() == 1


# ── purge ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_purge_deletes_what_was_chosen_and_nothing_else(variety):
    assert run("purge", "--cqrs-id", "failing", "--yes") == ["Total dead letters: 2", "Purged"]
    assert sorted(Letter.objects.values_list("pk_text", flat=True)) == ["3", "4", "5"]


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize(("answer", "left"), [("yes", 0), ("no", 1), ("y", 1), ("", 1)])
def test_a_purge_asks_first(monkeypatch, answer, left):
    deliver(failing(1))
    monkeypatch.setattr("builtins.input", lambda question: answer)
    assert run("purge")[-1] == ("Purged" if not left else "Nothing purged")
    assert Letter.objects.count() == left


@pytest.mark.usefixtures("sqlite")
def test_a_purge_that_nobody_can_answer_says_how_to_do_without(monkeypatch):
    deliver(failing(1))
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(CommandError, match="--yes"):
        run("purge")
    assert Letter.objects.count() == 1


@pytest.mark.usefixtures("sqlite")
def test_a_purge_of_nothing_asks_nothing():
    assert run("purge") == ["Total dead letters: 0"]
