"""What the diff commands refuse: one sentence, a code that is not 0, and nothing done that is not said."""

from __future__ import annotations

from io import BytesIO, TextIOWrapper

import pytest
from django.core.management import CommandError, call_command

from celery_cqrs.models import Outbox
from tests.app.models import Author, AuthorRef
from tests.conftest import on_sqlite
from tests.transfer.pipes import Ran, deliver, run, standard_input

FIRST = ("cqrs_diff_master", "cqrs_deleted_diff_replica")
READING = ("cqrs_diff_replica", "cqrs_diff_sync", "cqrs_deleted_diff_master", "cqrs_deleted_sync_replica")
OF_KEYS = READING[1:]
HEADER = "author,2026-01-01 00:00:00+00:00"

pytestmark = [on_sqlite, pytest.mark.usefixtures("uncommitted")]


def header_for(command: str) -> str:
    return f"{HEADER},replica\n" if command == "cqrs_diff_sync" else f"{HEADER}\n"


def refused(ran: Ran, sentence: str) -> None:
    assert (ran.code, ran.refusal) == (1, sentence)


@pytest.mark.parametrize("command", FIRST)
def test_an_unknown_id_on_the_command_line_is_wrong(command):
    refused(run(command, "--cqrs-id", "nobody"), "Wrong CQRS ID: nobody!")


@pytest.mark.parametrize("command", READING)
def test_an_unknown_id_in_the_header_is_wrong(command):
    refused(run(command, given="nobody,2026-01-01 00:00:00+00:00,replica\n"), "Wrong CQRS ID: nobody!")


@pytest.mark.parametrize("command", FIRST)
@pytest.mark.parametrize(
    ("look_ups", "problem"),
    [
        ("id=1", "It is no JSON"),
        ("[" * 100_000, "It is no JSON"),
        ('["id"]', "It must be a JSON object"),
        ("1", "It must be a JSON object"),
        ('{"height": 1}', "Cannot resolve keyword 'height' into field."),
        ('{"_negated": true}', "Cannot resolve keyword '_negated' into field."),
        ('{"id": "one"}', "Field 'id' expected a number but got 'one'."),
        ('{"born": "yesterday"}', "invalid date format"),
        ('{"id__in": 5}', "'int' object is not iterable"),
        ('{"name__smells": 5}', "Unsupported lookup 'smells'"),
    ],
)
def test_a_bad_filter_is_refused_with_its_reason(command, look_ups, problem):
    ran = run(command, "-cid", "author", "-f", look_ups)
    assert ran.code == 1
    assert ran.refusal.startswith("Bad filter kwargs! ") and problem in ran.refusal
    assert "\n" not in ran.refusal


@pytest.mark.parametrize("command", FIRST)
def test_a_filter_that_finds_nothing_is_told(command):
    refused(run(command, "-cid", "author", "-f", '{"id": 0}'), "No objects found for filter!")
    refused(run(command, "-cid", "author"), "No objects found for filter!")


@pytest.mark.parametrize("size", ["0", "-1", "many"])
def test_a_batch_of_no_rows_is_refused(size):
    with pytest.raises(CommandError, match="argument --batch/-b: "):
        call_command("cqrs_diff_master", "-cid", "author", f"--batch={size}")


def test_a_replica_without_rows_of_its_own_cannot_be_compared():
    sentence = "Model BeaconListener: its rows are the hooks' own, so they cannot be looked at."
    refused(run("cqrs_deleted_diff_replica", "-cid", "beacon"), sentence)
    refused(run("cqrs_diff_replica", given="beacon,2026-01-01\n[[1, 0]]\n"), sentence)


@pytest.mark.parametrize("command", READING)
def test_an_empty_input_is_told_apart_from_an_empty_list(command):
    ran = run(command, given="")
    assert ran.code == 1 and ran.refusal.startswith("Line 1 of the input is refused: there is none.")
    assert run(command, given=header_for(command)).code == 0


@pytest.mark.parametrize("command", READING)
def test_a_header_without_a_moment_is_refused(command):
    ran = run(command, given="author\n[1]\n")
    assert ran.code == 1 and 'it must be "CQRS_ID,timestamp"' in ran.refusal


def test_nothing_is_deleted_where_the_header_does_not_say_when_the_keys_were_read():
    AuthorRef.objects.create(pk=1, name="Ann", cqrs_revision=0, cqrs_updated="2026-01-01T00:00Z")
    ran = run("cqrs_deleted_sync_replica", given="author,yesterday at noon\n[1]\n")
    assert ran.code == 1 and "its timestamp cannot be read" in ran.refusal
    assert AuthorRef.objects.exists()


def test_keys_for_no_queue_and_keys_for_a_queue_are_not_taken_for_each_other():
    ran = run("cqrs_diff_sync", given=f"{HEADER}\n[1]\n")
    assert ran.code == 1 and "it names no queue" in ran.refusal
    for command in ("cqrs_deleted_diff_master", "cqrs_deleted_sync_replica"):
        ran = run(command, given=f"{HEADER},replica\n[1]\n")
        assert ran.code == 1 and "it names a queue" in ran.refusal


def test_a_queue_that_does_not_get_the_model_is_refused():
    Author.objects.create(pk=1, name="Ann")
    Outbox.objects.all().delete()
    ran = run("cqrs_diff_sync", given=f"{HEADER},spy\n[1]\n")
    assert ran.code == 1 and "queue 'spy' does not get 'author'" in ran.refusal
    assert not Outbox.objects.exists()


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize(
    "line", ["[[1, 0], [2", "author,2026-01-01 00:00:00+00:00", "null", '{"1": 0}', "[null]", "[true]", "[[]]"]
)
def test_a_line_that_is_cut_off_or_foreign_is_refused_by_its_number(command, line):
    ran = run(command, given=f"{header_for(command)}[]\n\n{line}\n")
    assert ran.code == 1 and ran.refusal.startswith("Line 4 of the input is refused: it ")
    assert ran.refusal.endswith("The lines before it are done, and nothing after it.")


def test_lists_of_keys_are_no_lists_of_revisions_and_the_reverse():
    for line in ("[1, 2]", "[[1]]", "[[1, -1]]", "[[1, true]]", "[[1, 0, 0]]"):
        assert "it must be a list of pairs" in run("cqrs_diff_replica", given=f"{HEADER}\n{line}\n").refusal
    for command in OF_KEYS:
        assert "it must be a list of keys" in run(command, given=f"{header_for(command)}[[1, 0]]\n").refusal


def test_the_lines_before_a_bad_one_are_done_and_those_after_it_are_not():
    for number in (1, 2, 3):
        Author.objects.create(pk=number, name="-")
    deliver()
    Author._base_manager.all()._raw_delete(Author.objects.db)
    ran = run("cqrs_deleted_sync_replica", given=f"{HEADER.replace('2026', '2999')}\n[1]\n[2\n[3]\n")
    assert ran.code == 1 and ran.refusal.startswith("Line 3 ")
    assert list(AuthorRef.objects.order_by("pk").values_list("pk", flat=True)) == [2, 3]


@pytest.mark.parametrize("command", READING)
def test_what_is_no_text_is_refused_and_not_a_crash(command):
    stream = TextIOWrapper(BytesIO(f"{header_for(command)}[]\n".encode() + b"[\xff]\n"), encoding="utf-8")
    with standard_input(stream), pytest.raises(CommandError, match="it is no text in UTF-8"):
        call_command(command)


def test_a_stranger_among_the_keys_is_named_and_harms_no_neighbour():
    Author.objects.create(pk=1, name="Ann")
    Outbox.objects.all().delete()
    ran = run("cqrs_diff_sync", given=f'{HEADER},replica\n["x", 1, 1.5, 99999999999999999999]\n')
    assert ran.output.startswith("Done!\n1 instance(s) synced.")
    assert "No PK of this model: ['x', 1.5, 99999999999999999999]" in ran.errors
    assert (ran.code, ran.refusal[:6]) == (1, "3 keys")
    assert Outbox.objects.count() == 1


def test_a_header_may_come_from_an_id_with_commas_and_from_windows():
    assert run("cqrs_diff_replica", given=f"\ufeff{HEADER}\r\n[]\r\n").output == f"{HEADER},replica\n"
