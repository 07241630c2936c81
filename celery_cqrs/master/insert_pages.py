"""SYNCs of many rows by one ``INSERT … SELECT`` of the database, without fetching an instance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connections
from django.db.models import F, QuerySet, UUIDField

from celery_cqrs import conf
from celery_cqrs.database import clock
from celery_cqrs.database.arrays import INTEGERS, STRINGS
from celery_cqrs.master.insert import COLUMNS
from celery_cqrs.master.mixin import RawMasterMixin
from celery_cqrs.serialize import target_of

KEY_TEXTS = {
    "postgresql": "m.cqrs_key::text",
    "mysql": "CAST(m.cqrs_key AS CHAR)",
    "sqlite": "CAST(m.cqrs_key AS TEXT)",
}


def tells_key(model: Any, vendor: str) -> bool:
    """Whether the database's text of a key of ``model`` is the one under which the outbox knows it."""
    kind = type(target_of(model._meta.pk))
    return kind in INTEGERS or kind in STRINGS or (kind is UUIDField and vendor == "postgresql")


def needs_instances(model: Any) -> bool:
    """Whether something of the project wants to see each row at capture: a filter without SQL, meta, correlation."""
    filters = model.is_sync_instance is not RawMasterMixin.is_sync_instance and model.cqrs_sync_filter() is None
    wants = filters and not model.CQRS_DELETE_ON_LEAVE  # with it the filter is asked when the row is published
    return bool(wants or model.has_cqrs_meta() or conf.master.correlation_function)


def write_page(model: Any, rows: QuerySet[Any], queues: Sequence[str], *, direct: bool) -> int:
    """Capture a SYNC of each of ``rows`` for each of ``queues``; returns how many rows there were."""
    connection = connections[rows.db]
    page = rows.order_by().values(cqrs_key=F("pk"), cqrs_row_revision=F("cqrs_revision"))
    select, parameters = page.query.get_compiler(using=rows.db).as_sql()
    now = clock.now_sql(connection)
    sql = (
        f"INSERT INTO celery_cqrs_outbox ({COLUMNS}) "
        f"SELECT 'sync', q.queue, %s, {KEY_TEXTS[connection.vendor]}, 'SYNC', m.cqrs_row_revision, "
        f"NULL, NULL, NULL, NULL, %s, {now}, {now}, 0, '' "
        f"FROM ({select}) m CROSS JOIN ({' UNION ALL '.join(['SELECT %s AS queue'] * len(queues))}) q"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [model.CQRS_ID, direct, *parameters, *queues])
        return int(cursor.rowcount) // len(queues)
