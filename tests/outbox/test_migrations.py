"""On the way back to an older version nothing that waits is lost."""

import pytest
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from tests.conftest import each_database
from tests.outbox.test_bundles import put_bundle


@pytest.mark.parametrize("uncommitted", each_database(commits=False)[1:2], indirect=True)
def test_bundles_are_taken_apart_for_the_version_that_knows_none(uncommitted):
    put_bundle(["a", None, "b"])
    before = [("celery_cqrs", "0004_position")]
    executor = MigrationExecutor(connections[uncommitted])
    executor.migrate(before)
    with connections[uncommitted].cursor() as cursor:
        cursor.execute("SELECT kind, pk, signal_type, sent_at, error FROM celery_cqrs_outbox ORDER BY id")
        assert cursor.fetchall() == [("sync", key, "SAVE", None, "") for key in "ab"]
