"""JSON has a null of its own, which a column may hold that takes none of the database's."""

import pytest
from django.db import connections

from celery_cqrs import testing
from celery_cqrs.outcome import Applied
from tests.app.models import Charter, CharterRef, SpecimenRef
from tests.receive.wire import deliver, message

pytestmark = pytest.mark.usefixtures("each_path")


def test_null_is_jsons_where_the_column_takes_no_other(uncommitted):
    for revision in (0, 1):
        assert deliver(message("charter", 1, revision, tree=None, label="", r=0)) == [Applied()]
        assert CharterRef.objects.values_list("tree", "cqrs_revision").get() == (None, revision)


def test_null_is_the_databases_where_the_column_takes_it(uncommitted):
    deliver(message("specimen", 1, line="-", code="c0ffee00-0000-4000-8000-000000000000", tree=None))
    assert SpecimenRef.objects.filter(tree__isnull=True).exists()


def test_an_update_puts_null_in_the_place_of_a_document(uncommitted):
    for revision, tree in ((0, {"a": 1}), (1, None), (2, {"b": 2})):
        deliver(message("charter", 1, revision, tree=tree, label="", r=0))
        assert CharterRef.objects.get().tree == tree


def test_the_masters_null_arrives(uncommitted):
    Charter.objects.create()
    with connections[uncommitted].cursor() as cursor:
        cursor.execute("UPDATE c SET tree = 'null'")
    testing.publish([uncommitted])
    testing.deliver()
    assert CharterRef.objects.get().tree is None
