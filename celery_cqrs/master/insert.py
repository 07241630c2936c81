"""The capture statement, raw SQL: one ``INSERT … SELECT`` for all rows of a change, RETURNING the revisions.

The ORM's own way (bulk_create after a SELECT) costs a round trip more and reads the revision before the row is locked.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery_cqrs import tombstones
from celery_cqrs.columns import key_collation
from celery_cqrs.database import clock
from celery_cqrs.database.arrays import array_of_texts
from celery_cqrs.database.isolation import reads_committed
from celery_cqrs.master.revision import home_of
from celery_cqrs.message import SignalType
from celery_cqrs.models import Outbox, Tombstone
from celery_cqrs.serialize import key_text

DOCUMENTS = "previous_data, custom, meta, correlation_id"
COLUMNS = (
    f"kind, queue, cqrs_id, pk, signal_type, revision, {DOCUMENTS}, direct, captured_at, available_at, attempts, "
    "size, error"
)
PLAIN_KEYS = (int, str, uuid.UUID)
"""Kinds of keys whose text PostgreSQL reads as it is."""

REVISION = {
    SignalType.SAVE: "CASE WHEN t.revision >= m.{revision} THEN -(t.revision + 1) ELSE m.{revision} END",
    SignalType.SYNC: "m.{revision}",
    SignalType.DELETE: "CASE WHEN t.revision > m.{revision} THEN t.revision + 1 ELSE m.{revision} + 1 END",
}


@dataclass(frozen=True)
class Row:
    """What the caller knows of one outbox row; the rest is read by the statement."""

    queue: str
    pk: Any
    pk_text: str
    documents: tuple[str | None, ...]
    """previous_data, custom, meta and correlation_id as JSON texts."""
    direct: bool = False
    error: str = ""
    """Why it is written and not sent; see ``Outbox.is_held``."""

    def plain(self) -> list[Any]:
        """The values in the order of the statement."""
        return [self.queue, self.pk_text, *self.documents, self.error, self.direct]


def write_rows(connection: Any, model: Any, signal_type: SignalType, rows: Sequence[Row]) -> dict[str, int]:
    """Insert the outbox rows whose model row exists; returns the revision of each key: of a DELETE the row's + 1.

    A negative one is asked for by a tombstone: the row continues a former life, and is to be raised to it.
    """
    build = STATEMENTS[connection.vendor]
    sql, parameters = build(connection, model, signal_type, rows)
    if not connection.features.can_return_columns_from_insert:
        return _write_without_returning(connection, model, signal_type, rows, sql, parameters)
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} RETURNING pk, revision", parameters)
        return dict(cursor.fetchall())


def read_revisions(using: str, model: Any, signal_type: SignalType, keys: Mapping[str, Any]) -> dict[str, int]:
    """What ``write_rows`` would return for keys that are not sent anywhere; a DELETE locks its row all the same."""
    rows = home_of(model)._base_manager.using(using).filter(pk__in=keys.values())
    if signal_type is SignalType.DELETE:
        rows = rows.select_for_update()
    stored = {key_text(model, pk): revision for pk, revision in rows.values_list("pk", "cqrs_revision")}
    graves = tombstones.find(using, Tombstone.MASTER, model.CQRS_ID, keys)
    if signal_type is SignalType.DELETE:
        return {key: max(revision, graves.get(key, revision)) + 1 for key, revision in stored.items()}
    return {key: _above(revision, graves.get(key)) for key, revision in stored.items()}


def above_hidden_graves(
    connection: Any, model: Any, created: Sequence[str], revisions: dict[str, int]
) -> dict[str, int]:
    """``revisions``, raised above deletions that an older snapshot hides; at READ COMMITTED nothing is hidden.

    PostgreSQL answers a deletion that was committed meanwhile with a serialization failure, and rightly: try again.
    """
    if not created or reads_committed(connection):
        return revisions
    graves = tombstones.hold(connection.alias, Tombstone.MASTER, model.CQRS_ID, created)
    tombstones.release(connection.alias, Tombstone.MASTER, model.CQRS_ID, created)
    return {key: _above(revision, graves.get(key)) for key, revision in revisions.items()}


def raised_revisions(connection: Any, model: Any, stored: Mapping[str, int], created: Sequence[str]) -> dict[str, int]:
    """The revisions that tombstones ask for instead of the ``stored`` ones, negative; mostly none."""
    graves = tombstones.find_many(connection.alias, Tombstone.MASTER, model.CQRS_ID, list(stored))
    above = {key: _above(stored[key], grave) for key, grave in graves.items()}
    above = above_hidden_graves(connection, model, created, {**stored, **above})
    return {key: revision for key, revision in above.items() if revision < 0}


def _above(revision: int, grave: int | None) -> int:
    """``revision``, or what the tombstone at ``grave`` asks for instead, negative."""
    return revision if grave is None or grave < abs(revision) else -(grave + 1)


def _write_without_returning(
    connection: Any, model: Any, signal_type: SignalType, rows: Sequence[Row], sql: str, parameters: list[Any]
) -> dict[str, int]:
    """MySQL 8 has no RETURNING: the revisions are read first, under the locks that the change holds anyway."""
    revisions = read_revisions(connection.alias, model, signal_type, {row.pk_text: row.pk for row in rows})
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
    return revisions


def _joined(connection: Any, model: Any, signal_type: SignalType, rows: Sequence[Row]) -> tuple[str, list[Any]]:
    """PostgreSQL and SQLite: many rows as a table, joined with the model and the tombstones."""
    if len(rows) == 1:  # planned in less time
        return _united(connection, model, signal_type, rows)
    names = _names(connection, model)
    keys = [_database_key(connection, model, row) for row in rows]
    are_plain = all(isinstance(key, PLAIN_KEYS) for key in keys)
    build = _unnested if connection.vendor == "postgresql" and are_plain else _listed
    table, parameters = build(connection, names, keys, rows)
    sql = (
        f"INSERT INTO celery_cqrs_outbox ({COLUMNS}) "
        f"WITH cqrs_change (row_pk, queue, pk, {DOCUMENTS}, error, direct) AS ({table}) "
        f"SELECT 'sync', c.queue, %s, c.pk, %s, {_revision(signal_type, names)}, c.previous_data, c.custom, c.meta, "
        f"c.correlation_id, c.direct, {names['now']}, "
        f"CASE WHEN c.error = '' THEN {names['now']} ELSE {names['never']} END, 0, 1, c.error "
        f"FROM cqrs_change c JOIN {names['table']} m ON m.{names['key']} = c.row_pk {_grave(signal_type, 'c.pk')}"
    )
    parameters += [model.CQRS_ID, signal_type.value, *_grave_parameters(signal_type, model)]
    return sql + _lock(connection, signal_type), parameters


def _listed(
    connection: Any, names: Mapping[str, Any], keys: Sequence[Any], rows: Sequence[Row]
) -> tuple[str, list[Any]]:
    """A value for each column of each row."""
    key = _cast(connection, names)
    values = ", ".join([f"({key}, %s, %s, %s, %s, %s, %s, %s, %s)"] * len(rows))
    parameters = [value for key, row in zip(keys, rows, strict=True) for value in (key, *row.plain())]
    return f"VALUES {values}", parameters


def _unnested(
    connection: Any, names: Mapping[str, Any], keys: Sequence[Any], rows: Sequence[Row]
) -> tuple[str, list[Any]]:
    """PostgreSQL: an array for each column."""
    *texts, direct = zip(*(row.plain() for row in rows), strict=True)
    columns = [list(map(str, keys)), *texts, ["t" if one else "f" for one in direct]]
    marks = [f"%s::{names['key_type']}[]", *["%s::text[]"] * len(texts), "%s::boolean[]"]
    return f"SELECT * FROM unnest({', '.join(marks)})", [array_of_texts(column) for column in columns]


def _united(connection: Any, model: Any, signal_type: SignalType, rows: Sequence[Row]) -> tuple[str, list[Any]]:
    """A SELECT per row: on MariaDB and MySQL always, so that no two collations meet in a comparison."""
    names = _names(connection, model)
    is_mysql, lock = connection.vendor == "mysql", _lock(connection, signal_type)
    grave = f"CONVERT(%s USING utf8mb4) COLLATE {key_collation(connection)}" if is_mysql else "%s"
    key = _cast(connection, names)
    before, after = (
        f"(SELECT 'sync', %s, %s, %s, %s, {_revision(signal_type, names)}, %s, %s, %s, %s, %s, {names['now']}, ",
        f", 0, 1, %s FROM {names['table']} m {_grave(signal_type, grave)} WHERE m.{names['key']} = {key}{lock})",
    )
    selects: list[str] = []
    parameters: list[Any] = []
    for row in rows:
        queue, pk_text, *documents, error, direct = row.plain()
        selects.append(f"{before}{names['never' if error else 'now']}{after}")
        parameters += [queue, model.CQRS_ID, pk_text, signal_type.value, *documents, direct, error]
        parameters += [*_grave_parameters(signal_type, model), *([] if signal_type is SignalType.SYNC else [pk_text])]
        parameters.append(_database_key(connection, model, row))
    united = " UNION ALL ".join(selects) if len(rows) > 1 else selects[0][1:-1]
    return f"INSERT INTO celery_cqrs_outbox ({COLUMNS}) {united}", parameters


def _lock(connection: Any, signal_type: SignalType) -> str:
    """A deletion is captured at a revision that nobody raises meanwhile."""
    return LOCKS[connection.vendor] if signal_type is SignalType.DELETE else ""


def _cast(connection: Any, names: Mapping[str, Any]) -> str:
    return f"CAST(%s AS {names['key_type']})" if connection.vendor == "postgresql" else "%s"


def _names(connection: Any, model: Any) -> dict[str, Any]:
    home: Any = home_of(model)._meta
    quote = connection.ops.quote_name
    return {
        "table": quote(home.db_table),
        "key": quote(home.pk.column),
        "key_type": home.pk.rel_db_type(connection),
        "revision": quote(home.get_field("cqrs_revision").column),
        "now": clock.now_sql(connection),
        "never": NEVER[connection.vendor],
    }


def _revision(signal_type: SignalType, names: Mapping[str, Any]) -> str:
    return REVISION[signal_type].format(revision=names["revision"])


def _grave(signal_type: SignalType, key: str) -> str:
    if signal_type is SignalType.SYNC:
        return ""
    return f"LEFT JOIN celery_cqrs_tombstone t ON (t.side = %s AND t.cqrs_id = %s AND t.pk = {key})"


def _grave_parameters(signal_type: SignalType, model: Any) -> list[Any]:
    return [] if signal_type is SignalType.SYNC else [Tombstone.MASTER, model.CQRS_ID]


def _database_key(connection: Any, model: Any, row: Row) -> Any:
    return home_of(model)._meta.pk.get_db_prep_value(row.pk, connection)


NEVER = {
    vendor: f"'{Outbox.NEVER:%Y-%m-%d %H:%M:%S}{zone}'"
    for vendor, zone in (("postgresql", "+00"), ("sqlite", ""), ("mysql", ""))
}
LOCKS = {"postgresql": " FOR UPDATE OF m", "sqlite": "", "mysql": " FOR UPDATE"}
STATEMENTS = {"postgresql": _joined, "sqlite": _joined, "mysql": _united}
