"""Settings of a service of the sample, more impatient, with a trap, and changed by the environment of its process."""

from __future__ import annotations

import json
import os
from importlib import import_module
from typing import Any

for driver in ("redis", "pyamqp"):
    import_module(f"kombu.transport.{driver}")  # now, not in the two seconds that a process has to publish at its exit
SERVICE = os.environ["SERVICE"]
SAMPLE = {name: value for name, value in vars(import_module(f"{SERVICE}.settings")).items() if name.isupper()}
IMPATIENT = {
    "master": {
        "sweep_seconds": 1,
        "resend_after_seconds": 2,
        "resend_margin_seconds": 0.5,
        "resend_max_seconds": 4,
        "breaker_seconds": 0.5,
    },
    "replica": {"retry_sweep_seconds": 1, "CQRS_RETRY_DELAY": 0.5, "retry_max_delay_seconds": 2},
}


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Both dictionaries; what is a dictionary in both is merged likewise, and None takes a key away."""
    both = {
        key: merged(first[key], second[key]) for key in first.keys() & second.keys() if isinstance(first[key], dict)
    }
    return {key: value for key, value in {**first, **second, **both}.items() if value is not None}


globals().update(SAMPLE)
CQRS = merged(SAMPLE["CQRS"], {key: IMPATIENT[key] for key in IMPATIENT.keys() & SAMPLE["CQRS"].keys()})
CQRS = merged({"master": {"socket_timeout_seconds": 30}}, CQRS)  # a slow machine is no broker in trouble
CQRS = merged({**CQRS, "celery_app": f"{SERVICE}.celery:app"}, json.loads(os.environ.get("CHANGED_CQRS", "{}")))
TESTING_APPS = ("tests.end_to_end.trap.Trap", "tests.end_to_end.pace.Pace")
INSTALLED_APPS = [*SAMPLE["INSTALLED_APPS"], *TESTING_APPS, *os.environ.get("MORE_APPS", "").split()]
OTHER_APPS = ("admin", "auth", "contenttypes", "sessions", "django_celery_beat")
MIGRATION_MODULES = dict.fromkeys(OTHER_APPS)  # the tables as they are now, in a quarter of the time
