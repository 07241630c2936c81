"""A master on one database and its replica on another: the same digests, the same repairs, for every kind of key."""

from __future__ import annotations

import uuid
from decimal import Decimal
from itertools import permutations

import pytest
from django.utils import timezone

from celery_cqrs import testing
from celery_cqrs.models import Reconciliation
from celery_cqrs.reconcile import conversation
from celery_cqrs.reconcile.runs import Wish
from tests import router
from tests.app.models import Author, AuthorRef, Dog, DogRef, Product, ProductRef, Shelf, ShelfRef, Specimen, SpecimenRef
from tests.reconcile.drift import FIVE, contents, counts, create_authors

SERVERS = ("postgres", "mariadb")
every_database = [
    pytest.mark.django_db(transaction=True, databases=["default", *SERVERS]),  # a master looks for its rows on each
    pytest.mark.servers(*SERVERS),
]
each_pair = pytest.mark.parametrize(
    ("master", "replica"),
    [pytest.param(*pair, marks=every_database) for pair in permutations(("default", *SERVERS), 2)],
)
IDS = ("author", "product", "shelf", "dog", "specimen")


def carry(master: str, replica: str) -> None:
    """Deliver everything where it belongs: the two services share a queue here, and no row."""
    with router.using(master):
        testing.publish([master])
    with router.using(replica):
        testing.deliver()


def compare(master: str, replica: str, **wish: bool) -> dict[str, Reconciliation]:
    """Deep runs of all these models, by id."""
    with router.using(master):
        begun = conversation.start(master, Wish(deep=True, **wish), IDS, by_hand=True)
    carry(master, replica)
    for run in begun:
        run.refresh_from_db(using=master)
    return {run.cqrs_id: run for run in begun}


def create_rows(master: str) -> None:
    """Rows with keys of every kind, and columns of every kind."""
    with router.using(master):
        create_authors()
        for sku in ("a", "B", "ö", "a,b:c", "𝄞"):
            Product.objects.create(sku=sku, title=f"title of {sku}", price=Decimal("1.50"))
        for number in range(5):
            Shelf.objects.create(id=uuid.UUID(int=number + 2**100), label=f"shelf {number}")
            Dog.objects.create(name=f"dog {number}", tricks=number)
            values = {"small": number, "big": 2**60, "price": Decimal("0.5"), "moment": timezone.now()}
            Specimen.objects.create(line=f"line {number}", **values)


def edit_by_hand(replica: str) -> None:
    """One row of each model differs, at the same revision."""
    with router.using(replica):
        AuthorRef.objects.filter(pk=3).update(name="edited")
        ProductRef.objects.filter(pk="B").update(name="edited")
        ShelfRef.objects.filter(label="shelf 2").update(label="edited")
        DogRef.objects.filter(name="dog 2").update(tricks=99)
        SpecimenRef.objects.filter(line="line 2").update(small=99)


@each_pair
def test_every_kind_of_row_is_equal_between_databases_until_it_is_edited(master: str, replica: str) -> None:
    create_rows(master)
    carry(master, replica)
    equal = compare(master, replica)
    assert {one: (run.state, run.drift) for one, run in equal.items()} == dict.fromkeys(IDS, ("complete", 0))
    edit_by_hand(replica)
    edited = compare(master, replica)
    assert {one: (counts(run), run.remaining) for one, run in edited.items()} == dict.fromkeys(IDS, ({"content": 1}, 0))
    assert [run.drift for run in compare(master, replica).values()] == [0] * len(IDS)


@each_pair
def test_five_kinds_of_drift_are_repaired_between_databases(master: str, replica: str) -> None:
    with router.using(master):
        create_authors()
    carry(master, replica)
    drift_apart(master, replica)
    found = compare(master, replica)["author"]
    assert (found.state, counts(found), found.remaining) == ("complete", FIVE, 0)
    with router.using(replica):
        arrived = contents(AuthorRef)
    with router.using(master):
        assert arrived == contents(Author)
    assert compare(master, replica)["author"].drift == 0


def drift_apart(master: str, replica: str) -> None:
    """As ``make_five_kinds``, on two databases."""
    with router.using(replica):
        kept = AuthorRef.objects.get(pk=50)
        AuthorRef.objects.filter(pk=10).delete()
        AuthorRef.objects.create(id=900, name="nobody", cqrs_revision=4, cqrs_updated=timezone.now())
        AuthorRef.objects.filter(pk=30).update(name="edited")
    with router.using(master):
        Author.objects.get(pk=50).delete()
        Author.objects.filter(pk=20).update(name="renamed", cqrs_revision=5)
    carry(master, replica)
    with router.using(replica):
        AuthorRef.objects.bulk_create([kept])
