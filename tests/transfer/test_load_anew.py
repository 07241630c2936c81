"""``cqrs_bulk_load --clear``: the table is emptied and loaded, or stays as it was."""

from __future__ import annotations

import pytest

from celery_cqrs import tombstones
from celery_cqrs.models import Tombstone
from celery_cqrs.positions import Position
from tests.app.models import AuthorRef, RecipeDocument
from tests.conftest import on_sqlite
from tests.transfer.dumps import load, write_authors

OLD = {(1, "old 1", 9), (2, "old 2", 9), (7, "old 7", 9)}


@pytest.fixture
def old_rows(uncommitted, tmp_path):
    """A table that no dump describes."""
    AuthorRef.objects.bulk_create(
        [
            AuthorRef(pk=key, name=name, cqrs_revision=revision, cqrs_updated="2026-01-01T00:00Z")
            for key, name, revision in OLD
        ]
    )


def rows() -> set[tuple[int, str, int]]:
    return set(AuthorRef.objects.values_list("pk", "name", "cqrs_revision"))


@pytest.mark.parametrize("flag", ["--clear", "-c", "--clear=True"])
def test_old_rows_are_gone_also_where_the_dump_is_older(old_rows, tmp_path, flag):
    ran = load(write_authors(tmp_path / "a", 3, revision=2, name="new"), flag, "--batch", 2)
    assert ran.told == "Done!\n3 instance(s) loaded.\n"
    assert rows() == {(1, "new 1", 2), (2, "new 2", 2), (3, "new 3", 2)}
    assert not Position.objects.exists()


def test_what_was_deleted_stays_deleted_when_the_table_is_loaded_anew(old_rows, uncommitted, tmp_path):
    tombstones.remember(uncommitted, Tombstone.REPLICA, "author", {"2": 5})
    load(write_authors(tmp_path / "a", 3, revision=5, name="new"), "--clear")
    assert {key for key, *_ in rows()} == {1, 3}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text[:-20], "it ends in the middle of line 4."),
        (lambda text: text + "\nproduct\n{}", "is mixed"),
        (lambda text: text.replace('"born":null', '"born":"x"'), "None of the 3 lines can be loaded."),
    ],
    ids=["cut off", "mixed", "nothing but bad lines"],
)
def test_a_dump_that_cannot_be_loaded_leaves_the_old_rows(old_rows, tmp_path, change, sentence):
    path = write_authors(tmp_path / "a", 3)
    path.write_text(change(path.read_text()))
    ran = load(path, "--clear", "--batch", 1)
    assert sentence in ran.error and ran.code == 1
    assert rows() == OLD


def test_one_bad_line_among_good_ones_is_kept_and_the_others_are_loaded(old_rows, tmp_path):
    path = write_authors(tmp_path / "a", 3, name="new")
    path.write_text(path.read_text().replace('"new 2","born":null', '"new 2","born":"x"'))
    assert load(path, "--clear").error.startswith("1 line(s) could not be loaded")
    assert rows() == {(1, "new 1", 0), (3, "new 3", 0)}


def test_rows_may_refer_to_rows_that_come_later_in_the_dump(old_rows, uncommitted, tmp_path):
    path = write_authors(tmp_path / "a", 4, name="new")
    path.write_text(path.read_text().replace('"new 1","born":null,"rival":null', '"new 1","born":null,"rival":4'))
    ran = load(path, "--clear", "--batch", 2)
    assert ran.code == 0 and {key for key, *_ in rows()} | ({1} if "wait" in ran.told else set()) == {1, 2, 3, 4}


def test_rows_that_others_depend_on_are_cleared_with_what_django_does(old_rows, tmp_path):
    AuthorRef.objects.filter(pk=1).update(rival=2)
    AuthorRef.objects.filter(pk=7).update(rival=1)
    assert load(write_authors(tmp_path / "a", 2, name="new"), "--clear").error == ""
    assert rows() == {(1, "new 1", 0), (2, "new 2", 0)}


@on_sqlite
def test_ctrl_c_in_the_middle_of_it_leaves_the_old_rows(old_rows, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(RecipeDocument, "cqrs_create", stop)
    RecipeDocument.objects.create(pk=1, document={}, cqrs_revision=1, cqrs_updated="2026-01-01T00:00Z")
    row = '{"id": 2, "title": "soup", "cqrs_revision": 0, "cqrs_updated": "2026-01-01T00:00:00Z"}'
    (tmp_path / "recipe").write_text(f"recipe\n{row}\n")
    ran = load(tmp_path / "recipe", "--clear")
    assert (ran.error, ran.code) == ("Stopped. The old rows are left.", 130)
    assert [one.pk for one in RecipeDocument.objects.all()] == [1]


@on_sqlite
def test_a_clear_has_nothing_to_resume(old_rows, tmp_path):
    ran = load(write_authors(tmp_path / "a", 1), "--clear", "--resume")
    assert ran.error == "--clear has nothing to resume: a run that was stopped has left the old rows."
