"""How a sleeping relay hears of captures: on PostgreSQL by NOTIFY, and only while one sleeps; elsewhere it has to look.

Every NOTIFY serializes the commits of the whole cluster, so a trigger sends one only when it cannot share the advisory
lock that a sleeper holds. A writer that could share it makes the sleeper's own attempt fail: the sleeper looks again.
"""

from __future__ import annotations

import select
from typing import Any
from weakref import WeakKeyDictionary

from celery_cqrs.database.locks import ADVISORY_SPACE

CHANNEL = "celery_cqrs_outbox"
SLEEPER = 0
"""The second half of the advisory lock's key; those of CQRS_IDs are hashes."""

_heard: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()

CREATE_TRIGGER = f"""
CREATE OR REPLACE FUNCTION celery_cqrs_wake_relay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock_shared({ADVISORY_SPACE}, {SLEEPER}) THEN
        PERFORM pg_notify('{CHANNEL}', '');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER celery_cqrs_wake_relay AFTER INSERT ON celery_cqrs_outbox
FOR EACH STATEMENT EXECUTE FUNCTION celery_cqrs_wake_relay();
"""
DROP_TRIGGER = """
DROP TRIGGER IF EXISTS celery_cqrs_wake_relay ON celery_cqrs_outbox;
DROP FUNCTION IF EXISTS celery_cqrs_wake_relay();
"""


def can_wake(connection: Any) -> bool:
    """Whether captures on this database can be heard at all."""
    return str(connection.vendor) == "postgresql"


def fall_asleep(connection: Any) -> bool:
    """Whether captures will be heard from now on; the caller then looks once more, and calls ``get_up`` in the end."""
    if not can_wake(connection):
        return False
    with connection.cursor() as cursor:
        if _listen(connection.connection):
            cursor.execute(f"LISTEN {CHANNEL}")
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [ADVISORY_SPACE, SLEEPER])
        return bool(cursor.fetchone()[0])


def _listen(driver: Any) -> bool:
    """Whether this connection does not listen yet.

    psycopg keeps for ever what nobody handles; what is heard between statements must cut the next sleep short.
    """
    is_new = driver not in _heard
    if is_new and hasattr(driver, "add_notify_handler"):
        driver.add_notify_handler(lambda _: _heard.__setitem__(driver, True))
    _heard[driver] = False
    return is_new


def get_up(connection: Any) -> None:
    """Let writers share the lock again."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [ADVISORY_SPACE, SLEEPER])


def wait(sources: list[Any], seconds: float) -> None:
    """Sleep until one of ``sources`` (sockets, database connections) has something to say, at most ``seconds``."""
    drivers = [getattr(source, "connection", None) for source in sources]
    if not any(_heard.get(driver) for driver in drivers if driver is not None):
        select.select([_descriptor(source) for source in sources], [], [], seconds)


def _descriptor(source: Any) -> int:
    driver = getattr(source, "connection", source)
    return int(driver.fileno())
