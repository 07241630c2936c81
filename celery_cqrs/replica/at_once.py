"""PostgreSQL: all messages of a sheet in one statement, guarded as ever; the database tells what it left unwritten.

The longer way (``apply.py``) asks for revisions and tombstones, judges message by message, and writes in a savepoint.
Here the database does all that at once. What is unusual, and what fails, has changed nothing and goes the longer way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from django.db import connections, router

from celery_cqrs import conf, signals
from celery_cqrs.batch import Batch
from celery_cqrs.columns import KEY_LENGTH, clean_key
from celery_cqrs.database.documents import KEY_ARRAYS
from celery_cqrs.database.locks import applying
from celery_cqrs.message import Message, SignalType
from celery_cqrs.models import Tombstone
from celery_cqrs.outcome import Applied, Outcome, Reason, Skipped
from celery_cqrs.replica import columns, letters, settle
from celery_cqrs.replica.apply import Terms
from celery_cqrs.replica.guard import announce_gap, judge
from celery_cqrs.replica.path import choose
from celery_cqrs.replica.sheet import Decoded, Sheet, read
from celery_cqrs.replica.upsert import suffix
from celery_cqrs.serialize import target_of

APPLIED = Applied()
Told = tuple[str, int | None, int | None, bool]
"""A key to look at: the revisions of its row before and of its tombstone, and whether the row was written."""


class Ended(Sequence[tuple[Message, Outcome]]):
    """How the messages of ``sheet`` ended: those that are not ``skipped``, by their places, are applied."""

    def __init__(self, sheet: Sheet, messages: Decoded, skipped: Mapping[int, Skipped]) -> None:
        self.sheet = sheet
        self.messages = messages
        self.skipped = skipped

    def __len__(self) -> int:
        return len(self.messages)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        return self.messages[place], self.skipped.get(place, APPLIED)

    @property
    def applied(self) -> Sequence[Message]:
        """The messages that were applied."""
        return self.messages.without(self.skipped)

    @property
    def others(self) -> list[tuple[Message, Outcome]]:
        """The messages that were not."""
        return [self[place] for place in self.skipped]


def apply(model: Any, batch: Batch, wires: Sequence[Any], terms: Terms) -> Ended | None:
    """Apply ``wires``, of one id, to ``model``; None when they must go the longer way.

    Raises what the database raises, and MappingFailed; then nothing has happened.
    """
    sheet = read(wires)
    if sheet is None or not _takes(model, sheet) or _is_late(batch, sheet, terms):
        return None
    arrays = columns.arrays(model, sheet.data)
    keys = None if arrays is None else _keys(model, sheet, arrays)
    if arrays is None or keys is None:
        return None
    using, messages = router.db_for_write(model), Decoded(wires, batch.envelope)
    with applying(using, model.CQRS_ID, exclusive=False, limit_ms=conf.replica.CQRS_QUERY_TIMEOUT):
        signals.path_chosen.send_robust(model, cqrs_id=model.CQRS_ID, bulk=True, reason="")
        has_letters, told = _write(model, connections[using], sheet, arrays)
        ended = Ended(sheet, messages, _judged(messages, keys, told))
        if has_letters:
            known = letters.keys_among(using, sheet.cqrs_id, sheet.pks)
            settle.write_rows(using, [ended[place] for place, pk in enumerate(sheet.pks) if clean_key(pk) in known])
    return ended


def _takes(model: Any, sheet: Sheet) -> bool:
    """Whether ``model`` can take ``sheet`` so: on PostgreSQL, where its rows go in bulk and a text tells each key."""
    if model is None or model.CQRS_NO_DB_OPERATIONS:
        return False
    if sheet.signal_type is SignalType.SYNC and model.CQRS_ONLY_DIRECT_SYNCS:
        return False
    using = router.db_for_write(model)
    has_plain_key = type(target_of(model._meta.pk)) in KEY_ARRAYS
    return connections[using].vendor == "postgresql" and has_plain_key and choose(model, using, deletes=False).bulk


def _is_late(batch: Batch, sheet: Sheet, terms: Terms) -> bool:
    """Whether one of them has expired, or all are older than deletions are remembered."""
    is_expired = sheet.expires is not None and sheet.expires <= terms.now
    return is_expired or (batch.stamp is not None and batch.stamp < terms.since)


def _keys(model: Any, sheet: Sheet, arrays: columns.Arrays) -> Sequence[str] | None:
    """The keys as texts, each once; None when one of them must be read by its field."""
    key = arrays.columns[arrays.key]
    if arrays.key >= arrays.given:
        return None
    texts = [str(data[key.source]) for data in sheet.data]
    readable = KEY_ARRAYS[type(target_of(model._meta.pk))][2]
    is_plain = max(map(len, texts)) <= KEY_LENGTH and all(map(readable.fullmatch, texts))
    return texts if is_plain and len(set(texts)) == len(texts) else None


def _write(model: Any, connection: Any, sheet: Sheet, arrays: columns.Arrays) -> tuple[bool, Sequence[Told]]:
    """Whether this service has letters, and the keys to look at."""
    sync = sheet.signal_type is SignalType.SYNC
    sql = _statement(model, connection.alias, arrays.columns, arrays.given, sync)
    parameters = [model.CQRS_ID, Tombstone.REPLICA, *arrays.texts, conf.service.queue]
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        has_letters, told = cursor.fetchone()
    return has_letters, json.loads(told) if told else []


def _judged(messages: Decoded, keys: Sequence[str], told: Sequence[Told]) -> dict[int, Skipped]:
    """Why messages were left unwritten, by their places; of those that were written the gaps are announced."""
    skipped: dict[int, Skipped] = {}
    places = {key: place for place, key in enumerate(keys)} if told else {}
    for key, row_revision, grave, is_written in told:
        message = messages[places[key]]
        if is_written:
            announce_gap(message, row_revision)
        else:  # where the row seemed to be older, another worker has written it since
            skipped[places[key]] = judge(message, row_revision, grave) or Skipped(Reason.WRONG_ORDER)
    return skipped


@cache
def _statement(model: Any, using: str, given: tuple[columns.Column, ...], count: int, sync: bool) -> str:
    """The arrays as rows beside what is known of their keys; those that the guard lets through are written.

    What is known is looked up key by key: for a join PostgreSQL might read a whole table that has grown since its
    statistics.
    """
    connection = connections[using]
    quote = connection.ops.quote_name
    table, pk = quote(model._meta.db_table), quote(model._meta.pk.column)
    casts = columns.cast_columns(given)
    at = {column.field.name: number for number, column in enumerate(given)}
    key, revision = at[model._meta.pk.name], f"c{at['cqrs_revision']}"
    stored = quote(model._meta.get_field("cqrs_revision").column)
    names = [column.field.name for column in given[:count]]
    gap = "false" if sync else f"r.row_revision < r.{revision} - 1"
    return f"""
        WITH r AS MATERIALIZED (
            SELECT {", ".join(f"{cast} AS c{number}" for number, cast in enumerate(casts))}, u.c{key} AS key_text,
                (SELECT m.{stored} FROM {table} m WHERE m.{pk} = {casts[key]}) AS row_revision,
                (SELECT t.revision FROM celery_cqrs_tombstone t
                    WHERE t.pk = u.c{key} AND t.cqrs_id = %s AND t.side = %s) AS grave
            FROM {columns.table_of(given)}
        ), written AS (
            INSERT INTO {table} ({", ".join(quote(column.field.column) for column in given)})
            SELECT {", ".join(f"c{number}" for number in range(len(given)))} FROM r
            WHERE grave IS NULL OR grave {"<=" if sync else "<"} {revision} ORDER BY c{key}
            {suffix(model, connection, names, sync=sync)}
            RETURNING {pk} AS key
        )
        SELECT EXISTS (SELECT FROM celery_cqrs_letter WHERE queue = %s), (
            SELECT json_agg(json_build_array(r.key_text, r.row_revision, r.grave, written.key IS NOT NULL))::text
            FROM r LEFT JOIN written ON written.key = r.c{key} WHERE written.key IS NULL OR {gap}
        )
    """
