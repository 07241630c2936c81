"""The database's clock: stamps come from it and never from a host, whose clock may be off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from django.conf import settings
from django.db import connections
from django.utils import timezone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SECONDS_SQL = {
    "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())",
    "mysql": "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1000000",
}


def now(using: str) -> datetime:
    """This moment by the clock of database ``using``, aware, in UTC. SQLite's clock is this host's."""
    connection = connections[using]
    query = SECONDS_SQL.get(connection.vendor)
    if query is None:
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute(query)
        return EPOCH + timedelta(microseconds=int(cursor.fetchone()[0] * 1_000_000))


def now_sql(connection: Any) -> str:
    """An SQL expression for this moment as a DateTimeField of this connection stores it."""
    if connection.vendor == "postgresql":
        return "statement_timestamp()"
    offset = _offset(connection.timezone or timezone.get_default_timezone())
    if connection.vendor == "mysql":
        return f"(UTC_TIMESTAMP(6) + INTERVAL '{offset}' HOUR_MINUTE)"
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '{offset}')"


def for_field(moment: datetime) -> datetime:
    """An aware moment as a DateTimeField of this project takes it."""
    return moment if settings.USE_TZ else timezone.make_naive(moment, timezone.get_default_timezone())


def from_field(moment: datetime | None) -> datetime | None:
    """What a DateTimeField of this project gave, aware."""
    if moment is None or timezone.is_aware(moment):
        return moment
    return timezone.make_aware(moment, timezone.get_default_timezone())


def _offset(zone: tzinfo) -> str:
    minutes = int((datetime.now(zone).utcoffset() or timedelta()).total_seconds() // 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
