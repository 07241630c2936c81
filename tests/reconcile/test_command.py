"""``manage.py cqrs_reconcile``: what it says, and how it ends."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from celery_cqrs.management.commands import cqrs_reconcile
from celery_cqrs.models import Inquiry, Reconciliation
from celery_cqrs.testing.stage import Stage
from celery_cqrs.transport.base import Transport
from tests.app.models import Author, AuthorRef
from tests.reconcile.drift import contents, create_authors, make_five_kinds
from tests.settle.conftest import sqlite  # noqa: F401 (fixture)

SILENT = f"{__name__}.Silent"
DEAF = f"{__name__}.Deaf"


class Silent(Transport):
    """A broker whose tasks nobody takes."""

    def send(self, envelope):
        """It has it."""


@pytest.fixture
def stage(sqlite):  # noqa: F811
    """Sixty authors that both sides have."""
    stage = Stage()
    create_authors()
    stage.deliver()
    return stage


def run(*arguments):
    """What the command prints, and how it ends: its exit code and its last sentence."""
    out = StringIO()
    try:
        call_command("cqrs_reconcile", *arguments, stdout=out, stderr=StringIO())
    except CommandError as error:
        return out.getvalue(), error.returncode, str(error)
    return out.getvalue(), 0, ""


def table(printed):
    """The rows of the table by CQRS_ID, each a dict of its cells."""
    head, *rows = [line.split("  ") for line in printed.splitlines() if "  " in line]
    named = [[cell.strip() for cell in row if cell.strip()] for row in (head, *rows)]
    return {row[0]: dict(zip(named[0], row, strict=True)) for row in named[1:]}


def test_drift_is_repaired_and_has_arrived_when_the_command_ends(stage):
    make_five_kinds()
    printed, code, _ = run("--deep", "--cqrs-id", "author")
    assert code == 0
    assert table(printed)["author"] | {"bytes": ""} == {
        "cqrs_id": "author",
        "queue": "replica",
        "state": "complete",
        "rows": "59",
        "missing": "1",
        "extra": "2",
        "stale": "1",
        "content": "1",
        "ahead": "0",
        "letter": "0",
        "repaired": "5",
        "bytes": "",
    }
    assert contents(AuthorRef) == contents(Author)


def test_a_dry_run_ends_with_one_while_drift_remains(stage):
    make_five_kinds()
    before = contents(AuthorRef)
    _, code, sentence = run("--deep", "--dry-run")
    assert (code, sentence) == (1, "5 rows still differ.")
    assert contents(AuthorRef) == before


def test_rows_that_are_ahead_are_told_how_to_be_lifted(stage):
    AuthorRef.objects.filter(pk=1).update(cqrs_revision=5)
    _, code, sentence = run("-cid", "author")
    assert code == 1
    assert sentence.startswith("1 rows still differ.") and sentence.endswith("manage.py cqrs_reconcile --lift.")
    assert run("-cid", "author", "--lift")[1] == 0
    assert Author.objects.get(pk=1).cqrs_revision == 6


def test_extra_rows_above_the_ratio_are_deleted_by_force_alone(stage):
    Author.objects.filter(pk__gt=40)._raw_delete("default")
    printed, code, _ = run("-cid", "author")
    assert code == 1
    assert "20 extra rows are left alone" in printed
    assert run("-cid", "author", "--force")[1] == 0
    assert AuthorRef.objects.count() == 40


def test_models_that_cannot_be_compared_are_listed_and_fail_nothing_else(stage):
    printed, code, _ = run()
    assert code == 0
    assert table(printed)["beacon"]["state"] == "not comparable"
    assert "beacon with replica: The replica says: its replica model has CQRS_NO_DB_OPERATIONS." in printed
    assert run("-cid", "beacon")[1:] == (3, "Not compared: beacon with replica.")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-cid", "authr"], "Wrong CQRS ID: authr!"),
        (["--queue", "shop"], 'Wrong queue: shop! CQRS["master"]["replicas"] has replica.'),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_begins(stage, arguments, sentence):
    assert run(*arguments)[1:] == (1, sentence)
    assert not Reconciliation.objects.exists()


def test_nothing_to_compare_is_said(stage, configure):
    configure(master={"replicas": {"replica": ["author"]}})
    assert run("-cid", "product")[1:] == (3, "There is nothing to compare: no replica gets these models.")


def test_a_service_whose_own_worker_does_not_run_is_told_to_start_one(stage, configure):
    configure(transport=SILENT)
    printed, code, sentence = run("-cid", "author", "--timeout", "0.3")
    assert (code, sentence) == (3, "Not compared: author with replica.")
    assert "No worker of this service took the order from queue 'replica'" in printed
    assert Reconciliation.objects.get().state == "no answer"


def test_a_replica_that_does_not_answer_ends_with_three_and_changes_nothing(stage, configure):
    make_five_kinds()
    before = contents(Author), contents(AuthorRef)
    configure(transport=DEAF)
    printed, code, _ = run("-cid", "author", "--timeout", "0.3")
    assert code == 3
    assert "Nothing was heard from 'replica'" in printed
    assert (contents(Author), contents(AuthorRef)) == before
    assert not Inquiry.objects.exists()


class Deaf(Silent):
    """The master's own worker runs, and no replica's."""

    def send(self, envelope):
        """An order is obeyed at once, a question goes nowhere."""
        if "order" in envelope.payload:
            cqrs_reconcile.conversation.take(envelope.payload)
