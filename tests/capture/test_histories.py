"""Any history of saves, deletions, bulk calls and rollbacks leaves replica and master equal."""

from contextlib import contextmanager

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_cqrs import testing
from celery_cqrs.models import Letter, Outbox, Tombstone
from tests.app.models import Product, ProductRef

KEYS = ["a", "b", "c"]
TITLES = st.sampled_from(["x", "y", "z"])
STEPS = st.one_of(
    st.tuples(st.just("save"), st.sampled_from(KEYS), TITLES),
    st.tuples(st.just("save chosen fields"), st.sampled_from(KEYS), TITLES),
    st.tuples(st.just("delete"), st.sampled_from(KEYS), st.none()),
    st.tuples(st.just("create in bulk"), st.none(), TITLES),
    st.tuples(st.just("update in bulk"), st.none(), TITLES),
    st.tuples(st.just("delete all"), st.none(), st.none()),
)
SAVEPOINTS = st.tuples(st.booleans(), st.lists(STEPS, max_size=3))
TRANSACTIONS = st.tuples(st.booleans(), st.lists(SAVEPOINTS, max_size=4), st.booleans())


class RolledBack(Exception):
    """Ends a transaction or savepoint that is to be rolled back."""


class Story:
    """Plays a history, with one instance per key kept in memory, as stale as it may become."""

    def __init__(self, database):
        self.database = database
        self.held = {}

    def play(self, transactions):
        for commits, savepoints, delivers in transactions:
            with self.ending(commits):
                self.play_savepoints(savepoints)
            if delivers:
                testing.deliver()
        testing.deliver()

    def play_savepoints(self, savepoints):
        for commits, steps in savepoints:
            with self.ending(commits):
                for step in steps:
                    self.step(*step)

    @contextmanager
    def ending(self, commits):
        try:
            with transaction.atomic(using=self.database):
                yield
                if not commits:
                    raise RolledBack
        except RolledBack:
            pass

    def step(self, kind, key, title):
        if kind == "save":
            held = self.held.setdefault(key, Product(sku=key))
            held.sku, held.title = key, title
            held.save()
        elif kind == "save chosen fields":
            stored = Product.objects.filter(sku=key).first()
            if stored:
                stored.title = title
                stored.save(update_fields=["title"], update_cqrs_fields=True)
        elif kind == "delete":
            for stored in Product.objects.filter(sku=key):
                stored.delete()
        else:
            self.bulk(kind, title)

    def bulk(self, kind, title):
        if kind == "create in bulk":
            absent = set(KEYS) - set(Product.objects.values_list("sku", flat=True))
            Product.cqrs.bulk_create([Product(sku=key, title=title) for key in sorted(absent)])
        elif kind == "update in bulk":
            Product.cqrs.bulk_update(Product.objects.exclude(title=title), title=title)
        else:
            Product.objects.all().delete()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(transactions=st.lists(TRANSACTIONS, max_size=6))
def test_any_history_leaves_the_replica_equal_to_its_master(database, transactions):
    for model in (Product, ProductRef, Outbox, Tombstone, Letter):
        model._base_manager.all()._raw_delete(database)
    Story(database).play(transactions)
    master = set(Product.objects.values_list("sku", "title", "cqrs_revision"))
    assert set(ProductRef.objects.values_list("code", "name", "cqrs_revision")) == master
    assert not Outbox.objects.exists() and not Letter.objects.exists()
