"""Whether a transaction sees what others have committed since it began."""

from __future__ import annotations

from typing import Any


def reads_committed(connection: Any) -> bool:
    """True at READ COMMITTED (Django's default everywhere) and on SQLite, which has one writer at a time."""
    return READS[connection.vendor](connection)


def _postgresql(connection: Any) -> bool:
    return str(getattr(connection.isolation_level, "name", "READ_COMMITTED")) == "READ_COMMITTED"


def _mysql(connection: Any) -> bool:
    return str(connection.isolation_level or "") == "read committed"


def _sqlite(connection: Any) -> bool:
    return True


READS = {"postgresql": _postgresql, "mysql": _mysql, "sqlite": _sqlite}
