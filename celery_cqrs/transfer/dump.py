"""A master's table as JSON lines: what each row would be told to a replica now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from celery_cqrs.border import result_or_error
from celery_cqrs.database.documents import Documents
from celery_cqrs.database.pages import pages, satisfying
from celery_cqrs.master.fields import differs_by_queue
from celery_cqrs.master.texts import documents_of
from celery_cqrs.serialize import key_text
from celery_cqrs.transfer.encoders import Encoder, encoder_of

INSTANCES_AT_ONCE = 1_000


@dataclass(frozen=True)
class Page:
    """What came of some rows: a JSON text each, the keys that are not for replicas, and those that failed."""

    texts: list[str] = field(default_factory=list)
    left_out: int = 0
    failed: list[tuple[Any, Exception]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many rows there were."""
        return len(self.texts) + self.left_out + len(self.failed)


def rows_for_replicas(model: Any, using: str) -> QuerySet[Any]:
    """The rows of ``model`` but for those that its filter, as far as SQL knows it, keeps from the replicas.

    A manager that hides rows, such as those deleted softly, hides none here: the replicas have them.
    """
    return satisfying(model._base_manager.using(using), model.cqrs_sync_filter())


def dump_pages(model: Any, using: str, size: int, queue: str | None = None) -> Iterator[Page]:
    """All rows of ``model`` in the order of their keys, at most ``size`` at a time, as ``queue`` may see them.

    ``queue`` decides only where CQRS_FIELDS differs by queue.
    """
    queue = queue if differs_by_queue(model) else None
    documents, encoder = documents_of(model, using), encoder_of(model, queue)
    in_bulk = documents is not None or encoder is not None
    for page in pages(rows_for_replicas(model, using), size if in_bulk else min(size, INSTANCES_AT_ONCE)):
        if documents is not None:
            found = result_or_error(_of_documents, model, page, documents)
        elif encoder is not None:
            found = result_or_error(_of_columns, page, encoder)
        else:
            found = _of_instances(model, page, queue)
        yield _of_instances(model, page, queue) if isinstance(found, Exception) else found


def _of_documents(model: Any, page: QuerySet[Any], documents: Documents) -> Page:
    """As the database writes them. A line break can only be where JSON has blanks."""
    keys = [key_text(model, key) for key in page.values_list("pk", flat=True)]
    found = documents.read(keys)
    return Page([found[key].replace("\n", " ") for key in keys if key in found])


def _of_columns(page: QuerySet[Any], encoder: Encoder) -> Page:
    return Page(encoder.texts(list(page.values_list(*encoder.names))))


def _of_instances(model: Any, page: QuerySet[Any], queue: str | None) -> Page:
    """Each row by its own instance; where even reading fails, one by one, so that a bad row harms no neighbour."""
    found = result_or_error(_read, model, page)
    if isinstance(found, Exception):
        told = [
            (key, result_or_error(_text_of_key, model, page, key, queue)) for key in page.values_list("pk", flat=True)
        ]
    else:
        told = [(one.pk, result_or_error(_text, one, queue)) for one in found]
    texts = [text for _, text in told if isinstance(text, str)]
    failed = [(key, error) for key, error in told if isinstance(error, Exception)]
    return Page(texts, len(told) - len(texts) - len(failed), failed)


def _read(model: Any, page: QuerySet[Any]) -> list[Any]:
    return list(model.relate_cqrs_serialization(page))


def _text_of_key(model: Any, page: QuerySet[Any], key: Any, queue: str | None) -> str | None:
    found = _read(model, page.filter(pk=key))
    return _text(found[0], queue) if found else None


def _text(instance: Any, queue: str | None) -> str | None:
    if not instance.is_sync_instance():
        return None
    return json.dumps(instance.to_cqrs_dict(sync=True, **({} if queue is None else {"queue": queue})))
