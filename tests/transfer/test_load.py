"""``cqrs_bulk_load``: the rows of a dump come in under the guard, in bulk, and what was there and newer stays."""

from __future__ import annotations

import gzip

import pytest
import zstandard
from django.utils import timezone

from celery_cqrs import tombstones
from celery_cqrs.message import Message, SignalType
from celery_cqrs.models import Letter, Tombstone
from celery_cqrs.replica.receive import apply_to_model
from tests.app.models import (
    Author,
    AuthorRef,
    BeaconListener,
    BoxRef,
    Plate,
    PlateRef,
    Product,
    ProductRef,
    Recipe,
    RecipeDocument,
    Shelf,
    ShelfRef,
    Specimen,
    SpecimenRef,
)
from tests.conftest import on_sqlite
from tests.transfer.dumps import dump, load, write_authors


@pytest.mark.parametrize("batch", [1, 3, 1_000])
def test_a_dump_of_django_cqrs_is_loaded_with_its_revisions(uncommitted, tmp_path, batch):
    ran = load(write_authors(tmp_path / "author.dump", 7, revision=4), "--batch", batch)
    assert (ran.told, ran.error) == ("Done!\n7 instance(s) loaded.\n", "")
    assert sorted(AuthorRef.objects.values_list("pk", "name", "cqrs_revision")) == [
        (key, f"Author {key}", 4) for key in range(1, 8)
    ]


def test_every_kind_of_value_and_of_key_comes_over_by_a_dump(uncommitted, tmp_path):
    Specimen.objects.create(line="ü % \n", price="1.50", blob=b"\0\xff", tree={"a": [1, None]}, real=0.1, flag=True)
    shelf = Shelf.objects.create(label="%s")
    Product.objects.create(sku="a'b", title="x", price="0.00000001")
    Plate.objects.create(shelf=shelf, is_hidden=True)
    Recipe.objects.create(title="soup")
    for cqrs_id in ("specimen", "shelf", "product", "plate", "recipe"):
        dump(tmp_path / cqrs_id, cqrs_id)
        assert load(tmp_path / cqrs_id).error == ""
    ours, theirs = Specimen.objects.values().get(), SpecimenRef.objects.values().get()
    assert ours.pop("document") == theirs.pop("document") or not ours.get("document")
    assert bytes(ours.pop("blob")) == bytes(theirs.pop("blob"))
    assert {**theirs, "cqrs_updated": 0} == {**ours, "cqrs_updated": 0}
    assert ProductRef.objects.values_list("code", "name", "price").get()[:2] == ("a'b", "x")
    assert (ShelfRef.objects.get().pk, PlateRef.objects.get().pk) == (shelf.pk, shelf.pk)
    assert RecipeDocument.objects.get().document["title"] == "soup"


def test_what_is_newer_or_equal_here_stays_and_is_counted(uncommitted, tmp_path):
    load(write_authors(tmp_path / "author.dump", 3, revision=1, name="old"))
    AuthorRef.objects.filter(pk=2).update(cqrs_revision=5, name="newer")
    ran = load(write_authors(tmp_path / "new", 4, revision=2, name="new"))
    assert ran.told == "Done!\n3 instance(s) loaded.\n1 instance(s) were not newer than what is here.\n"
    assert dict(AuthorRef.objects.values_list("pk", "name")) == {1: "new 1", 2: "newer", 3: "new 3", 4: "new 4"}
    assert load(tmp_path / "new").told.startswith("Done!\n0 instance(s) loaded.\n4 instance(s) were not newer")


def test_a_deleted_row_does_not_come_back_by_an_older_dump(uncommitted, tmp_path):
    tombstones.remember(uncommitted, Tombstone.REPLICA, "author", {"2": 5, "3": 4})
    ran = load(write_authors(tmp_path / "author.dump", 3, revision=5))
    assert ran.told == "Done!\n2 instance(s) loaded.\n1 instance(s) have been deleted since and stay so.\n"
    assert set(AuthorRef.objects.values_list("pk", flat=True)) == {1, 3}


def test_a_key_that_comes_twice_ends_at_its_newest_revision(uncommitted, tmp_path):
    path = write_authors(tmp_path / "author.dump", 2, revision=3, name="new")
    older = write_authors(tmp_path / "older", 2, revision=2, name="old").read_text().partition("\n")[2]
    path.write_text(f"{path.read_text()}\n{older}\n")
    assert load(path).error == ""
    assert set(AuthorRef.objects.values_list("name", "cqrs_revision")) == {("new 1", 3), ("new 2", 3)}


def test_rows_go_through_the_hooks_of_a_model_that_has_some(uncommitted, tmp_path):
    rows = [
        f'{{"id": {key}, "title": "{title}", "cqrs_revision": 0, "cqrs_updated": "{timezone.now().isoformat()}"}}'
        for key, title in ((1, "soup"), (2, "explode"), (3, "falsy"), (4, "tea"))
    ]
    (tmp_path / "recipe").write_text("\n".join(["recipe", *rows]))
    ran = load(tmp_path / "recipe")
    assert set(RecipeDocument.objects.values_list("pk", flat=True)) == {1, 4}
    assert "Unexpected error: line 3! RuntimeError: the oven is on fire" in ran.told
    assert "Unexpected error: line 4! HookRefused" in ran.told
    assert ran.error == f"2 line(s) could not be loaded and are kept in {tmp_path / 'recipe.rejects'}."
    assert (tmp_path / "recipe.rejects").read_text().splitlines() == ["recipe", rows[1], rows[2]]
    assert not Letter.objects.exists()


@on_sqlite
def test_hooks_without_a_table_get_every_row(uncommitted, tmp_path):
    rows = [f'{{"id": {key}, "text": "fire", "cqrs_revision": 0, "cqrs_updated": null}}' for key in (1, 2)]
    (tmp_path / "beacon").write_text("\n".join(["beacon", *rows]))
    assert load(tmp_path / "beacon").told == "Done!\n2 instance(s) loaded.\n"
    assert BeaconListener.heard == [("save", 1), ("save", 2)]
    assert load(tmp_path / "beacon", "--clear").error.startswith("--clear is not for BeaconListener")


def test_a_loaded_row_ends_the_letters_that_it_is_newer_than(uncommitted, tmp_path):
    data = {"id": 1, "name": "x" * 80, "born": None, "rival": None, "cqrs_revision": 1, "cqrs_updated": None}
    apply_to_model("author", [Message(SignalType.SAVE, "author", data, 1)], fresh=True)
    assert Letter.objects.count() == 1
    assert load(write_authors(tmp_path / "author.dump", 2, revision=2)).told == "Done!\n2 instance(s) loaded.\n"
    assert not Letter.objects.exists()


def test_a_row_whose_parent_comes_later_waits_for_it_as_a_letter(database, tmp_path):
    path = write_authors(tmp_path / "author.dump", 4)
    path.write_text(path.read_text().replace('"Author 1","born":null,"rival":null', '"Author 1","born":null,"rival":4'))
    ran = load(path, "--batch", 2)
    if AuthorRef.objects.filter(pk=1).exists():
        pytest.fail("the parent was not missed")
    assert ran.told == "Done!\n3 instance(s) loaded.\n1 instance(s) wait as letters for rows that they refer to.\n"
    assert Letter.objects.get().state == Letter.RETRYING  # its parent has come: it is due


@on_sqlite
def test_a_dump_that_is_loaded_before_its_parents_is_rejected_and_makes_no_flood(uncommitted, tmp_path):
    shelf = '"shelf": "0000000000000000000000000000{0:04}", "label": "x"'
    row = f'{{{{"id": {{0}}, {shelf}, "cqrs_revision": 0, "cqrs_updated": null}}}}'
    (tmp_path / "box").write_text("\n".join(["box", *(row.format(key) for key in range(1, 61))]))
    load(tmp_path / "box")
    assert Letter.objects.count() + BoxRef.objects.count() <= 60


@on_sqlite
@pytest.mark.parametrize(
    ("name", "pack"), [("a.gz", gzip.compress), ("a.zst", lambda data: zstandard.ZstdCompressor().compress(data))]
)
def test_a_compressed_dump_is_read_by_its_name(uncommitted, tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(write_authors(tmp_path / "plain", 300).read_bytes()))
    assert load(tmp_path / name).told == "Done!\n300 instance(s) loaded.\n"
    assert AuthorRef.objects.count() == 300


@on_sqlite
def test_a_dash_loads_from_standard_input(uncommitted, tmp_path, monkeypatch):
    with write_authors(tmp_path / "author.dump", 2).open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert load("-").told == "Done!\n2 instance(s) loaded.\n"


@on_sqlite
def test_a_dump_of_an_empty_table_loads_as_nothing(uncommitted, tmp_path):
    dump(tmp_path / "author.dump")
    assert load(tmp_path / "author.dump").told == "Done!\n0 instance(s) loaded.\n"
    assert not Author.objects.exists()
