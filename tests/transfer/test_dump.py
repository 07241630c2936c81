"""``cqrs_bulk_dump``: the first line is the id, then a JSON object a row, as a replica would be told it."""

from __future__ import annotations

import gzip
import json
import os
import uuid
from pathlib import Path
from typing import Any

import pytest
import zstandard
from django.db.models import Q

from celery_cqrs.serialize import decode_value
from tests.app.models import Author, Box, Plate, Product, Recipe, Shelf, Specimen
from tests.conftest import on_sqlite
from tests.transfer.dumps import dump, make_authors, run


def values(model: Any, told: dict[str, Any]) -> dict[str, Any]:
    """What the fields make of a row: a moment and a number can be written in more than one way."""
    return {name: decode_value(model._meta.get_field(name), value) for name, value in told.items()}


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


@pytest.mark.parametrize("batch", [1, 2, 1_000])
def test_a_dump_has_the_id_and_then_each_row_as_it_travels(uncommitted, tmp_path, batch):
    make_authors(5)
    ran = dump(tmp_path / "author.dump", "author", "--batch", batch)
    cqrs_id, *rows = lines_of(tmp_path / "author.dump")
    assert cqrs_id == "author"
    told = [values(Author, json.loads(row)) for row in rows]
    assert told == [values(Author, one.to_cqrs_dict()) for one in Author.objects.order_by("pk")]
    assert (ran.told, ran.code) == ("Done!\n5 instance(s) saved.\n5 instance(s) processed.\n", 0)


def test_a_rule_about_many_rows_of_another_table_dumps_a_row_once(uncommitted, tmp_path, monkeypatch):
    monkeypatch.setattr(Author, "cqrs_sync_filter", classmethod(lambda cls: Q(author__id__gt=0)))
    make_authors(4)
    Author.objects.filter(pk__in=[3, 4]).update(rival=1)
    dump(tmp_path / "author.dump", "author")
    assert [json.loads(row)["id"] for row in lines_of(tmp_path / "author.dump")[1:]] == [1]


def test_every_kind_of_value_and_of_key_is_dumped_as_instances_tell_it(uncommitted, tmp_path):
    Specimen.objects.create(line="ü % \n", price="1.50", blob=b"\0\xff", tree={"a": [1, None]}, real=0.1, flag=True)
    shelf = Shelf.objects.create(label="%s")
    Product.objects.create(sku="a'b", title="x", price="0.00000001", secret="not for replicas")
    Plate.objects.create(shelf=shelf, is_hidden=True)
    for model, cqrs_id in ((Specimen, "specimen"), (Shelf, "shelf"), (Product, "product"), (Plate, "plate")):
        dump(tmp_path / cqrs_id, cqrs_id)
        (told,) = (json.loads(line) for line in lines_of(tmp_path / cqrs_id)[1:])
        (stored,) = model._base_manager.all()
        assert values(model, told) == values(model, stored.to_cqrs_dict())


def test_rows_are_dumped_page_by_page_over_keys_that_are_no_numbers(uncommitted, tmp_path):
    keys = [uuid.uuid4() for _ in range(7)]
    Shelf.objects.bulk_create([Shelf(id=key, label="x") for key in keys])
    dump(tmp_path / "shelf", "shelf", "--batch", 3)
    assert sorted(json.loads(line)["id"] for line in lines_of(tmp_path / "shelf")[1:]) == sorted(map(str, keys))


def test_serializers_and_filters_have_their_say_in_a_dump(uncommitted, tmp_path, django_assert_max_num_queries):
    for title in ("soup", "cake", "tea"):
        Recipe.objects.create(title=title).steps.create(text="stir")
    with django_assert_max_num_queries(6):
        dump(tmp_path / "recipe", "recipe")
    assert json.loads(lines_of(tmp_path / "recipe")[1]) == Recipe.objects.get(title="soup").to_cqrs_dict()
    shelf = Shelf.objects.create(label="x")
    Box.objects.bulk_create([Box(shelf=shelf, label="seen"), Box(shelf=shelf, label="-hidden")])
    ran = dump(tmp_path / "box", "box")
    assert [json.loads(line)["label"] for line in lines_of(tmp_path / "box")[1:]] == ["seen"]
    assert "1 instance(s) saved.\n2 instance(s) processed." in ran.told


@on_sqlite
def test_a_row_that_cannot_be_told_is_said_and_spares_its_neighbours(uncommitted, tmp_path):
    Recipe.objects.bulk_create([Recipe(title=title) for title in ("soup", "unserializable", "tea")])
    bad = Recipe.objects.get(title="unserializable").pk
    ran = dump(tmp_path / "recipe", "recipe")
    assert (ran.error, ran.code) == ("1 instance(s) could not be dumped; the file lacks them.", 1)
    assert f"Dump record failed for pk={bad}: " in ran.told
    assert len(lines_of(tmp_path / "recipe")) == 3


@on_sqlite
@pytest.mark.parametrize(
    ("name", "unpack"),
    [
        ("a.dump.gz", gzip.decompress),
        ("a.dump.zst", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
    ],
)
def test_the_name_of_the_file_chooses_the_compression(uncommitted, tmp_path, name, unpack):
    make_authors(300)
    dump(tmp_path / name)
    dump(tmp_path / "plain")
    assert unpack((tmp_path / name).read_bytes()) == (tmp_path / "plain").read_bytes()


@on_sqlite
def test_a_dash_dumps_to_standard_output(uncommitted):
    make_authors(1)
    ran = run("cqrs_bulk_dump", "-c", "author", "-o", "-")
    assert ran.output.startswith('author\n{"id": 1, ')
    assert "Done!" in ran.told and "Done!" not in ran.output


@on_sqlite
def test_without_a_name_the_file_is_called_by_the_id(uncommitted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("cqrs_bulk_dump", "-c", "author")
    assert lines_of(tmp_path / "author.dump") == ["author"]


@on_sqlite
def test_a_file_that_exists_is_replaced_only_by_force(uncommitted, tmp_path):
    path = tmp_path / "author.dump"
    path.write_text("precious")
    assert dump(path).error == f"File {path} exists!"
    assert path.read_text() == "precious"
    assert dump(path, "author", "--force").code == 0
    assert lines_of(path) == ["author"]


@on_sqlite
def test_a_dump_that_is_stopped_leaves_the_old_file_and_no_other(uncommitted, tmp_path, monkeypatch):
    make_authors(3)
    path = tmp_path / "author.dump"
    path.write_text("precious")

    def stop(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Author, "is_sync_instance", stop)
    ran = dump(path, "author", "--force")
    assert (ran.error, ran.code) == ("Stopped. There is no dump of this run; run it again.", 130)
    assert [one.name for one in tmp_path.iterdir()] == ["author.dump"] and path.read_text() == "precious"


@on_sqlite
@pytest.mark.parametrize(
    ("place", "sentence"),
    [("/dev/full", "No space left on device"), ("nowhere/a.dump", "No such file or directory")],
)
def test_where_nothing_can_be_written_the_dump_says_so(uncommitted, tmp_path, monkeypatch, place, sentence):
    make_authors(1)
    monkeypatch.chdir(tmp_path)
    ran = run("cqrs_bulk_dump", "-c", "author", "-o", place, "--force")
    assert ran.error == f"File {place} cannot be written: {sentence}. There is no dump of this run; run it again."
    assert ran.code == 1 and list(tmp_path.iterdir()) == []


@on_sqlite
def test_an_unknown_id_is_refused_before_a_file_is_made(uncommitted, tmp_path):
    ran = dump(tmp_path / "x", "nobody")
    assert (ran.error, ran.code, list(tmp_path.iterdir())) == ("Wrong CQRS ID: nobody!", 1, [])


@on_sqlite
def test_a_model_that_differs_by_queue_is_dumped_for_one_of_them(uncommitted, tmp_path, monkeypatch, configure):
    configure(master={"replicas": {"replica": ["author"], "search": ["author"]}})
    monkeypatch.setattr(Author, "CQRS_FIELDS", {"replica": "__all__", "search": ["id", "name"]})
    make_authors(1)
    assert dump(tmp_path / "a").error == "CQRS_FIELDS of 'author' differs by queue: add --queue, for whom the dump is."
    assert dump(tmp_path / "a", "author", "--queue", "mail").error.startswith("Queue 'mail' does not get 'author'")
    assert dump(tmp_path / "a", "author", "--queue", "search").code == 0
    assert sorted(json.loads(lines_of(tmp_path / "a")[1])) == ["cqrs_revision", "cqrs_updated", "id", "name"]


@on_sqlite
def test_a_read_only_folder_is_named_in_a_sentence(uncommitted, tmp_path):
    make_authors(1)
    place = Path("/proc/self") if os.geteuid() == 0 else tmp_path  # for root every ordinary folder is open
    tmp_path.chmod(0o555)
    ran = dump(place / "a.dump")
    assert ran.error.startswith(f"File {place / 'a.dump'} cannot be written: ") and ran.code == 1
