"""The first look of the master at its rows: chunk by chunk, in questions that the replica answers meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from celery_cqrs import conf
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.models import Reconciliation
from celery_cqrs.reconcile import asking, lease
from celery_cqrs.reconcile.bodies import to_wire
from celery_cqrs.reconcile.digest import Digest, Interval
from celery_cqrs.reconcile.runs import active_runs, rows_of, scheme_of
from celery_cqrs.reconcile.wire import CHUNKS

CHUNKS_PER_QUESTION = 8
MOST_OPEN = 2 * asking.AT_ONCE
"""Questions that may be open before the walk waits for answers."""


def walk(using: str, run: Reconciliation, fence: int, may_go_on: Callable[[], bool]) -> None:
    """Go on from where the run stands, until all rows are seen, many questions are open or ``may_go_on`` says stop."""
    if not lease.keep(using, run.pk, fence, scheme_of(run)):
        return
    chunks = rows_of(using, run).chunks(conf.reconcile.chunk_rows, run.position)
    while may_go_on() and has_room(using, run):
        portion = list(islice(chunks, CHUNKS_PER_QUESTION))
        if not _keep_portion(using, run, fence, portion):
            return
        asking.ask(using, run)
        if len(portion) < CHUNKS_PER_QUESTION:
            return


def has_room(using: str, run: Reconciliation) -> bool:
    """Whether more may be asked; what was found goes first."""
    return bool(asking.open_questions(using, run.pk).count() < MOST_OPEN)


def _keep_portion(using: str, run: Reconciliation, fence: int, portion: Sequence[tuple[Interval, Digest]]) -> bool:
    """Write the question about these chunks together with where the walk stands; False when the run is another's."""
    with write_transaction(using):
        if not lease.keep(using, run.pk, fence, scheme_of(run)):
            return False
        mine = active_runs(using).filter(pk=run.pk)
        if portion:
            run.position = portion[-1][0].end
            intervals, digests = zip(*portion, strict=True)
            asking.add(using, run, CHUNKS, {"intervals": to_wire(intervals), "digests": to_wire(digests)})
        mine.update(position=run.position, walked=len(portion) < CHUNKS_PER_QUESTION)
    return True
