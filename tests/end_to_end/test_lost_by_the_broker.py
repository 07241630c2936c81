"""What a broker has lost comes again within the promised time, counted in sweeps of the master's beat."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from tests.end_to_end.system import SECONDS, System
from tests.end_to_end.workers import changed_worker

RENAME = 'row = Country.objects.get(pk="{code}"); row.name = "{name}"; row.save()'
SENT = "SELECT sent_at FROM celery_cqrs_outbox WHERE queue = 'shop' AND pk = '{code}' AND sent_at IS NOT NULL"
ARRIVED = "SELECT 1 FROM shop_country WHERE iso_code = '{code}' AND title = '{name}'"
SWEEP = re.compile(r"^\[(\S+ \S+): .*Task celery_cqrs\.drain\[\S+\] received", re.MULTILINE)
CONFIRMED, RESENT, PROBED = "confirmed 1 changes by shop", "resending 1 changes to shop", "probing shop with 1 changes"
AFTER_SECONDS = 5
SWEEPS = 2


@contextmanager
def master(system: System, **settings: Any) -> Iterator[None]:
    """Inside, the master's worker has these settings, and its log holds nothing of before."""
    with changed_worker(system, "atlas", CHANGED_CQRS=json.dumps({"master": settings})):
        system.log("atlas").mark()
        yield


def lose(system: System, code: str, name: str) -> datetime:
    """Have the broker lose a change of shop; when it was sent."""
    system.ways["shop"].refuse()
    system.run_code(RENAME.format(code=code, name=name))
    system.wait_for("atlas", SENT.format(code=code))
    sent_at: datetime = system.rows("atlas", SENT.format(code=code))[0][0]
    system.broker.delete_everything()
    system.ways["shop"].forward()
    return sent_at


def sweeps_after(moment: datetime, log: str) -> int:
    """How often the master's beat has looked after ``moment``, as this part of the log tells."""
    moments = [datetime.strptime(one, "%Y-%m-%d %H:%M:%S,%f").astimezone() for one in SWEEP.findall(log)]
    return len([one for one in moments if one > moment])


def test_what_the_broker_lost_comes_with_the_second_sweep_once_a_later_change_is_confirmed(system: System) -> None:
    with master(system, resend_after_seconds=AFTER_SECONDS, resend_margin_seconds=0, resend_max_seconds=600):
        due = lose(system, "IS", "Lost on the way") + timedelta(seconds=AFTER_SECONDS)
        system.run_code(RENAME.format(code="DE", name="Written later"))
        system.wait_for("shop", ARRIVED.format(code="IS", name="Lost on the way"))
        before, resent, _ = system.log("atlas").news().partition(RESENT)
        assert resent
        assert PROBED not in before
        assert sweeps_after(due, before.partition(CONFIRMED)[2]) <= SWEEPS
    system.converge(seconds=SECONDS)


def test_what_the_broker_lost_comes_with_the_next_probe_when_nothing_is_written(system: System) -> None:
    with master(system, resend_after_seconds=2, resend_max_seconds=4):
        due = lose(system, "FR", "Lost and alone") + timedelta(seconds=4)
        system.wait_for("shop", ARRIVED.format(code="FR", name="Lost and alone"))
        before, probed, _ = system.log("atlas").news().partition(PROBED)
        assert probed
        assert RESENT not in before
        assert sweeps_after(due, before) <= SWEEPS
    system.converge(seconds=SECONDS)
