"""The first look of the master at its rows: chunk by chunk, in questions that the replica answers meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from celery_cqrs import conf
from celery_cqrs.database.locks import write_transaction
from celery_cqrs.models import Reconciliation
from celery_cqrs.reconcile import asking, lease
from celery_cqrs.reconcile.bodies import to_wire
from celery_cqrs.reconcile.closer import SLICES_OF_SCHEME
from celery_cqrs.reconcile.digest import HASH, KEY, Digest, Interval
from celery_cqrs.reconcile.runs import active_runs, rows_of, scheme_of
from celery_cqrs.reconcile.wire import CHUNKS

CHUNKS_PER_QUESTION = {KEY: 8, HASH: 64}
MOST_OPEN = 2 * asking.AT_ONCE
"""Questions that may be open before the walk waits for answers."""


def walk(using: str, run: Reconciliation, fence: int, may_go_on: Callable[[], bool]) -> None:
    """Go on from where the run stands, until all rows are seen, many questions are open or ``may_go_on`` says stop."""
    if not lease.keep(using, run.pk, fence, scheme_of(run)):
        return
    chunks = rows_of(using, run).chunks(conf.reconcile.chunk_rows, run.position)
    size = CHUNKS_PER_QUESTION[scheme_of(run)]
    is_seen = scheme_of(run) == HASH  # one scan finds all chunks: to stop after it would cost another
    while not run.walked and (is_seen or may_go_on()) and has_room(using, run):
        portion = list(islice(chunks, size))
        run.walked = len(portion) < size or portion[-1][0].end is None
        if not _keep_portion(using, run, fence, portion):
            return
        asking.ask(using, run)


def has_room(using: str, run: Reconciliation) -> bool:
    """Whether more may be asked; what was found goes first."""
    return bool(asking.open_questions(using, run.pk).count() < MOST_OPEN)


def _keep_portion(using: str, run: Reconciliation, fence: int, portion: Sequence[tuple[Interval, Digest]]) -> bool:
    """Write the question about these chunks together with where the walk stands; False when the run is another's."""
    with write_transaction(using):
        if not lease.keep(using, run.pk, fence, scheme_of(run)):
            return False
        if portion:
            run.position = portion[-1][0].end
            intervals, digests = zip(*portion, strict=True)
            slices = SLICES_OF_SCHEME[scheme_of(run)]
            body = {"intervals": to_wire(intervals), "digests": to_wire(digests), "slices": slices}
            asking.add(using, run, CHUNKS, body)
        active_runs(using).filter(pk=run.pk).update(position=run.position, walked=run.walked)
    return True
