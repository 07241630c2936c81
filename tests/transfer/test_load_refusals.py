"""Bad, truncated, mixed and empty dumps: a sentence with the number of the line, the rest loaded, nothing unsaid."""

from __future__ import annotations

import gzip
import json
import os
import time

import pytest
import zstandard

from celery_cqrs.positions import Position
from tests.app.models import AuthorRef
from tests.conftest import on_sqlite
from tests.transfer.dumps import load, write_authors

pytestmark = on_sqlite


def loaded() -> set[int]:
    return set(AuthorRef.objects.values_list("pk", flat=True))


GOOD = '{"id": 9, "name": "a", "born": null, "rival": null, "cqrs_revision": 0, "cqrs_updated": "2026-01-01T00:00:00Z"}'
BAD = {
    "no JSON": ("{nonsense", "Dump file can't be parsed: line 3!"),
    "no object": ("[1, 2]", "Dump file can't be parsed: line 3!"),
    "another model's row": (
        '{"sku": "x", "cqrs_revision": 0, "cqrs_updated": null}',
        "the primary key 'id' is not in it.",
    ),
    "no revision": (GOOD.replace('"cqrs_revision": 0', '"cqrs_revision": null'), 'it needs "cqrs_revision"'),
    "a missing field": (GOOD.replace('"name": "a", ', ""), "required fields are missing: name."),
    "a value that does not fit": (GOOD.replace('"a"', json.dumps("a" * 80)), "line 3!"),
    "a wrong type": (GOOD.replace('"born": null', '"born": "tomorrow"'), "line 3!"),
    "a key that is none": (GOOD.replace('"id": 9', '"id": [9]'), "line 3!"),
    "deep nesting": ("[" * 100_000, "Dump file can't be parsed: line 3!"),
    "other bytes": ("\udcff\udcfe", "Dump file can't be parsed: line 3!"),
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_line_is_told_by_its_number_and_kept_and_the_rest_is_loaded(uncommitted, tmp_path, line):
    path = write_authors(tmp_path / "author.dump", 3)
    text, sentence = BAD[line]
    head, first, *rest = path.read_text().splitlines()
    path.write_bytes("\n".join([head, first, text, *rest]).encode("utf-8", "surrogateescape"))
    ran = load(path)
    assert loaded() == {1, 2, 3}
    assert sentence in ran.told and "line 3!" in ran.told
    assert ran.error == f"1 line(s) could not be loaded and are kept in {path}.rejects." and ran.code == 1
    kept = (tmp_path / "author.dump.rejects").read_bytes().decode("utf-8", "surrogateescape")
    assert kept == f"author\n{text}\n"


def test_mended_rejects_can_be_loaded_like_any_dump(uncommitted, tmp_path):
    path = write_authors(tmp_path / "author.dump", 3)
    path.write_text(path.read_text().replace('"Author 2","born":null', '"Author 2","born":"x"'))
    load(path)
    rejects = tmp_path / "author.dump.rejects"
    rejects.write_text(rejects.read_text().replace('"born":"x"', '"born":null'))
    assert load(rejects).told == "Done!\n1 instance(s) loaded.\n"


def test_empty_lines_are_nobodys_fault(uncommitted, tmp_path):
    path = write_authors(tmp_path / "author.dump", 2)
    path.write_text(path.read_text().replace("\n", "\r\n\n") + "\n\n")
    assert load(path).told == "Done!\n2 instance(s) loaded.\n"


def test_files_that_are_missing_empty_or_folders_are_refused(uncommitted, tmp_path):
    (tmp_path / "empty").touch()
    assert load(tmp_path / "nowhere").error == f"File {tmp_path / 'nowhere'} doesn't exist!"
    assert load(tmp_path / "empty").error == f"File {tmp_path / 'empty'} is empty!"
    assert load(tmp_path).error.startswith(f"File {tmp_path} cannot be read: Is a directory.")


@pytest.mark.parametrize("head", ["nobody", "x" * 5_000, "\x1b[2J"])
def test_an_id_that_is_no_replica_here_is_refused(uncommitted, tmp_path, head):
    (tmp_path / "a").write_text(f"{head}\n{GOOD}\n")
    assert load(tmp_path / "a").error == f"Wrong CQRS ID: {head[:200]}!".replace("\x1b", "?")


def test_a_file_of_two_dumps_ends_where_the_second_begins(uncommitted, tmp_path):
    path = write_authors(tmp_path / "mixed", 2)
    path.write_text(f"{path.read_text()}\nproduct\n" + GOOD.replace('"id": 9', '"id": 8'))
    ran = load(path, "--batch", 1)
    assert f"File {path} is mixed: a dump of 'product' begins at line 4." in ran.error
    assert ran.error.endswith("2 instance(s) were loaded before.")
    assert loaded() == {1, 2}


def cut(name: str, data: bytes) -> bytes:
    """The first half of ``data`` as a file of this name holds it."""
    pack = {"gz": gzip.compress, "zst": lambda one: zstandard.ZstdCompressor().compress(one)}.get(name[-3:].strip("."))
    packed = pack(data) if pack else data
    return packed[: len(packed) // 2]


@pytest.mark.parametrize("name", ["a.dump", "a.dump.gz", "a.dump.zst"])
def test_a_dump_that_is_cut_off_is_told_and_its_beginning_stays(uncommitted, tmp_path, name):
    data = write_authors(tmp_path / "whole", 5_000).read_bytes()
    (tmp_path / name).write_bytes(cut(name, data))
    ran = load(tmp_path / name, "--batch", 10)
    assert "is cut off" in ran.error and ran.code == 1
    assert ran.error.endswith(f"{len(loaded())} instance(s) were loaded before.")
    assert 0 < len(loaded()) < 5_000


@pytest.mark.parametrize("name", ["a.gz", "a.zst"])
def test_a_name_that_promises_another_format_is_refused(uncommitted, tmp_path, name):
    write_authors(tmp_path / name, 2)
    assert "is cut off or damaged after line 0." in load(tmp_path / name).error


def test_rejects_that_cannot_be_kept_stop_the_load_before_more_is_lost(uncommitted, tmp_path):
    path = write_authors(tmp_path / "author.dump", 2)
    path.write_text(f"{path.read_text()}\n{{bad\n")
    ran = load(path, "--rejects", "/dev/full")
    assert ran.error.startswith("the reject file /dev/full cannot be written: No space left on device. Say --rejects")
    assert loaded() == set()


def test_an_old_dump_is_loaded_with_a_warning(uncommitted, tmp_path):
    path = write_authors(tmp_path / "author.dump", 1)
    long_ago = time.time() - 864_000 - 60
    os.utime(path, (long_ago, long_ago))
    ran = load(path)
    assert ran.told.startswith("This file is older than tombstone_seconds: ") and loaded() == {1}


# ── going on ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_stopped_load_goes_on_behind_its_last_batch(uncommitted, tmp_path):
    path = write_authors(tmp_path / "author.dump", 6)
    whole = path.read_text()
    # a file of the same size, and so the same file
    path.write_text(whole[: whole.index('{"id":5')] + "product\n" + "x" * (len(whole) - whole.index('{"id":5') - 8))
    assert "is mixed" in load(path, "--batch", 2).error
    path.write_text(whole)
    AuthorRef.objects.filter(pk=1).delete()  # what is done is not looked at again
    ran = load(path, "--resume")
    assert ran.told == "Done!\n2 instance(s) loaded.\n"
    assert loaded() == {2, 3, 4, 5, 6} and not Position.objects.exists()


def test_there_is_nothing_to_resume_after_a_run_that_has_ended(uncommitted, tmp_path):
    path = write_authors(tmp_path / "author.dump", 2)
    load(path)
    assert load(path, "--resume").error.startswith("There is nothing to resume: no run of this file was stopped.")
