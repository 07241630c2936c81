"""Both sides of a comparison, on whichever databases; and the same rows as Python alone would read them."""

from __future__ import annotations

from dataclasses import replace

from celery_cqrs.reconcile.columns import columns_of_master, columns_shared, key_kind, key_kind_shared, scheme_for
from celery_cqrs.reconcile.rows import Rows, master_rows, replica_rows


def rows_of_master(using, model, queue="replica", deep=True):
    """All that the queue may compare."""
    columns = columns_of_master(model, using, queue) if deep else []
    kind = key_kind(model, using)
    return master_rows(model, using, queue, columns, scheme_for(kind), kind)


def both(master, model, replica, replica_model, queue="replica"):
    """The rows of a master on one database, and of its replica on another, as they agree to compare them."""
    columns = columns_shared(replica_model, replica, columns_of_master(model, master, queue))
    kind = key_kind_shared(replica_model, replica, key_kind(model, master))
    scheme = scheme_for(kind)
    rows = master_rows(model, master, queue, columns, scheme, kind)
    return rows, replica_rows(replica_model, replica, columns, scheme, kind)


def by_python(rows):
    """The same rows, without the help of the database."""
    columns = [replace(column, sql=None) for column in rows.table.columns]
    return Rows(replace(rows.table, key=replace(rows.table.key, sql=None), columns=columns), rows.scheme)


def without_slow_columns(*sides):
    """The same rows, of the columns that every one of their databases writes by itself."""
    slow = {column.attname for rows in sides for column in rows.table.columns if column.sql is None}
    return [
        Rows(replace(rows.table, columns=[one for one in rows.table.columns if one.attname not in slow]), rows.scheme)
        for rows in sides
    ]
