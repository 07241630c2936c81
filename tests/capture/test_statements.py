"""What a captured change costs: statements counted inside an open transaction, where no publishing is mixed in."""

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from celery_cqrs.models import Outbox
from tests.app.models import Author, Beacon, Box, Product, Shelf
from tests.capture.conftest import outbox_inserts


def statements(alias, work):
    """Run ``work`` and return the statements that it needed."""
    with CaptureQueriesContext(connections[alias]) as queries:
        work()
    return [query["sql"] for query in queries.captured_queries]


@pytest.fixture(params=[1, 2, 5])
def queues(request, configure):
    """So many replicas want everything."""
    configure(master={"replicas": {f"q{number}": "__all__" for number in range(request.param)}})
    return request.param


def test_a_created_row_costs_one_more_statement_whatever_the_number_of_queues(uncommitted, queues):
    needed = statements(uncommitted, lambda: Beacon.objects.create(text="fire"))
    assert len(needed) == 2, needed
    assert Outbox.objects.count() == queues


def test_an_updated_row_costs_one_more_statement_whatever_the_number_of_queues(uncommitted, queues):
    beacon = Beacon.objects.create(text="fire")
    needed = statements(uncommitted, beacon.save)
    assert len(needed) == 2, needed


def test_a_deleted_row_costs_two_more_statements_whatever_the_number_of_queues(uncommitted, queues):
    beacon = Beacon.objects.create(text="fire")
    needed = statements(uncommitted, beacon.delete)
    assert len(needed) == 3, needed


def test_a_re_created_row_costs_one_statement_more_to_rise_above_its_deletion(uncommitted):
    Product.objects.create(sku="a", title="x").delete()
    needed = statements(uncommitted, lambda: Product(sku="a", title="x").save(force_insert=True))
    assert len(needed) == 3, needed


def test_tracked_fields_cost_no_statement(uncommitted):
    author = Author.objects.create(name="Ann")
    author.name = "Bea"
    needed = statements(uncommitted, author.save)
    assert len(needed) == 2, needed


def test_a_chosen_field_that_is_not_captured_costs_no_more_than_django_alone(uncommitted):
    beacon = Beacon.objects.create(text="fire")
    needed = statements(uncommitted, lambda: beacon.save(update_fields=["text"]))
    assert len(needed) == 1, needed


@pytest.mark.parametrize("rows", [1, 10, 100])
def test_a_bulk_costs_one_more_statement_whatever_its_size(uncommitted, rows):
    beacons = [Beacon(text="fire") for _ in range(rows)]
    needed = statements(uncommitted, lambda: Beacon.cqrs.bulk_create(beacons))
    assert len(needed) == 2, needed


@pytest.mark.parametrize("rows", [200, 2_000])
def test_a_large_bulk_costs_two_more_statements_whatever_its_size(uncommitted, rows):
    """One for the outbox, one that looks for tombstones; of SQLite in parts, as it takes so few parameters."""
    beacons = [Beacon(text="fire") for _ in range(rows)]
    needed = statements(uncommitted, lambda: Beacon.cqrs.bulk_create(beacons, batch_size=rows))
    ours = [sql for sql in needed if "app_beacon" not in sql]
    assert len(ours) == (2 if uncommitted != "default" else 1 + -(-rows // 499)), ours


@pytest.mark.parametrize("rows", [1, 10, 100])
def test_a_bulk_update_costs_four_statements_whatever_its_size(uncommitted, rows):
    Beacon.cqrs.bulk_create([Beacon(text="fire") for _ in range(rows)])
    needed = statements(uncommitted, lambda: Beacon.cqrs.bulk_update(Beacon.objects.all(), text="smoke"))
    assert len(needed) == 4, needed


def test_a_tracked_bulk_update_reads_the_rows_once_more(uncommitted):
    Author.cqrs.bulk_create([Author(name="Ann") for _ in range(10)])
    needed = statements(uncommitted, lambda: Author.cqrs.bulk_update(Author.objects.all(), name="Bea"))
    assert len(needed) == 5, needed


def test_a_cascade_costs_two_statements_a_row(uncommitted):
    shelf = Shelf.objects.create(label="top")
    Box.cqrs.bulk_create([Box(shelf=shelf, label=str(number)) for number in range(4)])
    with CaptureQueriesContext(connections[uncommitted]) as queries:
        shelf.delete()
    buried = [query for query in queries.captured_queries if "INTO" in query["sql"] and "tombstone" in query["sql"]]
    assert outbox_inserts(queries) == 5
    assert len([query for query in buried if "celery_cqrs_outbox" not in query["sql"]]) == 5
