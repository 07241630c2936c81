"""Pipes of which one side is django-cqrs still: these lines were written by django-cqrs 3.1.0."""

from __future__ import annotations

import json

import pytest

from celery_cqrs.models import Outbox
from tests.app.models import Author, AuthorRef, Product, ProductRef
from tests.conftest import on_sqlite
from tests.transfer.pipes import run

MOMENT = "2026-11-21 20:47:50.062095+00:00"
MASTER = f'product,{MOMENT}\n[["a",0],["\\u00e4, \\u2603",0],["say \\"no\\"",0]]\n'
TO_SYNC = f'product,{MOMENT},replica\n["say \\"no\\"","\\u00e4, \\u2603"]\n'
REPLICA = f'product,{MOMENT}\n["a","gone\\/\\u00f6"]\n'
TO_DELETE = f'product,{MOMENT}\n["gone\\/\\u00f6"]\n'
KEYS = ["a", "ä, ☃", 'say "no"']

pytestmark = [on_sqlite, pytest.mark.usefixtures("uncommitted")]


def hold(*skus):
    for sku in skus:
        ProductRef.objects.create(code=sku, name="-", price=1, cqrs_revision=0, cqrs_updated="2026-01-02T00:00:00Z")


def test_a_replica_reads_what_a_master_of_django_cqrs_lists():
    hold("a")
    ran = run("cqrs_diff_replica", given=MASTER)
    assert ran.output.splitlines()[0] == f"product,{MOMENT},replica"
    assert ran.lists == [["ä, ☃", 'say "no"']]


def test_a_master_reads_what_a_replica_of_django_cqrs_wants_again():
    for sku in KEYS:
        Product.objects.create(sku=sku, title="-")
    Outbox.objects.all().delete()
    assert "2 instance(s) synced" in run("cqrs_diff_sync", given=TO_SYNC).output
    assert set(Outbox.objects.values_list("pk_text", "queue")) == {("ä, ☃", "replica"), ('say "no"', "replica")}


def test_a_master_reads_what_a_replica_of_django_cqrs_has():
    Product.objects.create(sku="a", title="-")
    ran = run("cqrs_deleted_diff_master", given=REPLICA)
    assert ran.output.splitlines()[0] == f"product,{MOMENT}"
    assert ran.lists == [["gone/ö"]]


def test_a_replica_deletes_what_a_master_of_django_cqrs_has_not():
    hold("a", "gone/ö")
    assert "1 instance(s) deleted" in run("cqrs_deleted_sync_replica", given=TO_DELETE).output
    assert ProductRef.objects.get().pk == "a"


def test_what_we_print_is_what_django_cqrs_reads():
    """It splits the header at its commas, and takes a line for a list of pairs, or of keys that a set can hold."""
    Author.objects.create(pk=1, name="-")
    AuthorRef.objects.create(pk=2, name="-", cqrs_revision=0, cqrs_updated="2026-01-02T00:00:00Z")
    listed = run("cqrs_diff_master", "--cqrs-id=author")
    found = run("cqrs_diff_replica", given=listed.output)
    held = run("cqrs_deleted_diff_replica", "--cqrs-id=author")
    extra = run("cqrs_deleted_diff_master", given=held.output)
    assert [one.output.splitlines()[1] for one in (listed, found, held, extra)] == ["[[1,0]]", "[1]", "[2]", "[2]"]
    assert [one.output.splitlines()[0].split(",")[0] for one in (listed, found, held, extra)] == ["author"] * 4
    assert found.output.splitlines()[0].split(",")[-1] == "replica"
    assert dict(json.loads(listed.output.splitlines()[1])) == {1: 0}
