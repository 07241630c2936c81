"""A problem says what is wrong, what mends it, and which page explains it. Ids are stable: projects silence them."""

from __future__ import annotations

from django.core.checks import Error, Warning

SETTINGS = "docs/reference/settings.md"
CHECKS = "docs/reference/checks.md"
WORKERS = "docs/howto/run-workers.md"
SIGNING = "docs/howto/sign-messages.md"
MODELS = "docs/howto/a-replica-model-that-differs.md"
SLOW = "docs/howto/limit-slow-queries.md"
FIELDS = "docs/howto/send-each-replica-its-own-fields.md"
ABSENT = "docs/howto/a-replica-that-never-comes-back.md"
PAGES = {
    "E001": SETTINGS,
    "E002": CHECKS,
    "E003": SETTINGS,
    "E004": SETTINGS,
    "E005": SETTINGS,
    "E006": SETTINGS,
    "E007": SETTINGS,
    "E008": SETTINGS,
    "E009": CHECKS,
    "E010": CHECKS,
    "E011": CHECKS,
    "E012": MODELS,
    "E013": MODELS,
    "E014": FIELDS,
    "E015": CHECKS,
    "E020": WORKERS,
    "E021": WORKERS,
    "E022": WORKERS,
    "E023": SIGNING,
    "W001": SETTINGS,
    "W003": SLOW,
    "W010": ABSENT,
    "W011": MODELS,
    "W012": MODELS,
    "W013": MODELS,
    "W014": MODELS,
    "W020": WORKERS,
    "W021": WORKERS,
    "W022": WORKERS,
    "W023": WORKERS,
    "W024": SIGNING,
    "W025": WORKERS,
    "W026": WORKERS,
    "W027": WORKERS,
    "W028": WORKERS,
}
"""Every id with the page that its hint names; ``docs/reference/checks.md`` has a row for each."""


def error(number: int, sentence: str, hint: str) -> Error:
    """Something that cannot work: workers and relays do not start with it."""
    code = f"E{number:03d}"
    return Error(sentence, _with_page(hint, code), id=f"celery_cqrs.{code}")


def warning(number: int, sentence: str, hint: str) -> Warning:
    """Something that works worse than it could: said by ``manage.py check``, and by a worker when it is ready."""
    code = f"W{number:03d}"
    return Warning(sentence, _with_page(hint, code), id=f"celery_cqrs.{code}")


def _with_page(hint: str, code: str) -> str:
    return f"{hint} See {PAGES[code]}."
