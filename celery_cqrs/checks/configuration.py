"""``settings.CQRS`` itself: its queue, its keys, their values, and what must fit together."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

from celery_cqrs import conf
from celery_cqrs.checks.problems import error
from celery_cqrs.registry import NAME_LENGTH

NAME_HINT = f"A queue has a name of 1 to {NAME_LENGTH} characters: that of its service."
BROKER_KEYS = ("url", "host", "port", "user", "password", "exchange")
SEED_KEYS = {
    "CQRS_DELAY_QUEUE_MAX_SIZE": "Celery's worker_eta_task_limit replaces it",
    "delay_queue_max_size": "Celery's worker_eta_task_limit replaces it",
    "dead_letter_queue": "dead letters are rows of the table celery_cqrs_letter",
}
POSITIVE = (
    "batch_size batch_bytes relay_poll_seconds sweep_seconds resend_after_seconds resend_max_seconds breaker_seconds "
    "socket_timeout_seconds retry_max_delay_seconds retry_sweep_seconds tombstone_seconds chunk_rows CQRS_MESSAGE_TTL "
    "every_seconds deep_every_seconds pause_rows"
).split()


def check_keys(given: dict[str, Any]) -> Iterator[CheckMessage]:
    """What is there: the app, the queue, known keys of the right kinds, each in its place."""
    yield from _check_apps()
    yield from _check_queue()
    yield from _check_sections(given)


def check_values() -> Iterator[CheckMessage]:
    """What the values mean, once ``check_keys`` found nothing serious."""
    yield from _check_publish()
    yield from _check_functions()
    yield from _check_retention()


def is_name(queue: Any) -> bool:
    """Whether this can be the name of a queue."""
    return isinstance(queue, str) and 0 < len(queue) <= NAME_LENGTH


def is_importable(path: str) -> bool:
    """Whether the dotted path leads to something."""
    try:
        import_string(path)
    except ImportError:
        return False
    return True


def _check_apps() -> Iterator[CheckMessage]:
    if "celery_cqrs.dj_cqrs" in settings.INSTALLED_APPS:
        yield error(2, '"celery_cqrs.dj_cqrs" is not an app.', 'Put "celery_cqrs" into INSTALLED_APPS instead.')


def _check_queue() -> Iterator[CheckMessage]:
    if conf.service.queue and not is_name(conf.service.queue):
        yield error(1, f'CQRS["queue"] is {conf.service.queue!r:.40}.', NAME_HINT)
    if not conf.service.queue:
        hint = 'Add "queue": "<name of this service>"; its workers run with -Q <that name>.'
        yield error(1, 'CQRS has no "queue".', hint)


def _check_sections(given: dict[str, Any]) -> Iterator[CheckMessage]:
    names = {path: set(section.declared()) for path, section in conf.SECTIONS.items()}
    names[""] |= set(conf.SECTIONS) - {""}
    for path, section in conf.SECTIONS.items():
        keys = given if not path else given.get(path, {})
        if not isinstance(keys, dict):
            yield error(
                3,
                f'CQRS["{path}"] must be a dictionary, not {type(keys).__name__}.',
                "Its keys are in the settings reference.",
            )
            continue
        yield from (_unknown(path, key, names) for key in keys if key not in names[path])
        yield from _check_kinds(path, section, keys)


def _unknown(path: str, key: Any, names: dict[str, set[str]]) -> CheckMessage:
    place = f'CQRS["{path}"]' if path else "CQRS"
    if not path and key in BROKER_KEYS:
        return error(
            4, f"CQRS has {key!r}, a transport key of django-cqrs.", "Remove it: Celery's broker settings replace it."
        )
    if key in SEED_KEYS:
        return error(4, f"{place} has {key!r}, a key of django-cqrs.", f"Remove it: {SEED_KEYS[key]}.")
    homes = [home for home, known in names.items() if key in known]
    if homes:
        right = f'CQRS["{homes[0]}"]' if homes[0] else "CQRS"
        return error(5, f"{place} has {key!r}, which belongs to {right}.", f"Move it to {right}.")
    near = difflib.get_close_matches(str(key), names[path], n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(sorted(names[path]))}."
    return error(6, f"{place} has an unknown key {key!r}.", hint)


def _check_kinds(path: str, section: conf.Section, keys: dict[str, Any]) -> Iterator[CheckMessage]:
    for name, setting in section.declared().items():
        if name not in keys or (keys[name] is None and setting.default is None) or _accepts_none(name, keys[name]):
            continue
        value, place = keys[name], f'CQRS["{path}"]["{name}"]' if path else f'CQRS["{name}"]'
        wrong = not isinstance(value, setting.kinds) or (isinstance(value, bool) and bool not in setting.kinds)
        if wrong:
            kinds = " or ".join(getattr(kind, "__name__", str(kind)) for kind in setting.kinds)
            yield error(3, f"{place} must be {kinds}, not {value!r}.", f"It means: {setting.meaning}.")
        elif name in POSITIVE and not value > 0:
            yield error(3, f"{place} must be greater than 0, not {value!r}.", f"It means: {setting.meaning}.")
        elif isinstance(value, int | float) and not value >= 0:
            yield error(3, f"{place} must not be negative, and is {value!r}.", f"It means: {setting.meaning}.")


def _accepts_none(name: str, value: Any) -> bool:
    return value is None and name in {"CQRS_MESSAGE_TTL", "CQRS_MAX_RETRIES", "dead_message_ttl", "outbox_max_rows"}


def _check_publish() -> Iterator[CheckMessage]:
    if conf.master.publish not in ("commit", "relay"):
        yield error(3, f'CQRS["master"]["publish"] is {conf.master.publish!r}.', 'Set it to "commit" or "relay".')


def _check_functions() -> Iterator[CheckMessage]:
    for name in ("meta_function", "correlation_function"):
        value = getattr(conf.master, name)
        if isinstance(value, str) and not is_importable(value):
            sentence = f'CQRS["master"]["{name}"] {value!r} cannot be imported.'
            yield error(3, sentence, "Give the dotted path of a function.")


def _check_retention() -> Iterator[CheckMessage]:
    ttl = conf.master.CQRS_MESSAGE_TTL
    if ttl is not None and ttl >= conf.service.tombstone_seconds:
        hint = "Deletions must be remembered for longer than a message may travel."
        yield error(3, f'CQRS["tombstone_seconds"] must exceed CQRS["master"]["CQRS_MESSAGE_TTL"], {ttl} s.', hint)
    for name in ("every_seconds", "deep_every_seconds"):
        if getattr(conf.reconcile, name) >= conf.service.tombstone_seconds:
            hint = "Deletions must be remembered until a comparison has seen to it that they arrived."
            yield error(3, f'CQRS["tombstone_seconds"] must exceed CQRS["reconcile"]["{name}"].', hint)
