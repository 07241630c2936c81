"""What happens, announced. ``logs.py`` turns these into log records; receivers of yours may count or alarm.

Signals of the flow are sent with ``send_robust``: a failing receiver never disturbs it. Only post_bulk_create and
post_update go by ``send``, as in django-cqrs.
"""

from __future__ import annotations

from django.dispatch import Signal

captured = Signal()
"""Outbox rows were written. Arguments: cqrs_id, signal_type, pks, queues, using."""

published = Signal()
"""A batch is with the broker. Arguments: queue, batch."""

publish_failed = Signal()
"""A batch could not be sent; its rows wait. Arguments: queue, error."""

set_aside = Signal()
"""An outbox row cannot be sent as it is and waits with its error.

Arguments: row_ids (empty when it is captured so), cqrs_id, pk, revision (None when it is not known), correlation_id,
error, using.
"""

resent = Signal()
"""Unconfirmed rows are pending again. Arguments: queue, count, probe, using."""

outbox_overfull = Signal()
"""More rows wait for a queue than ``outbox_max_rows`` allows; none is deleted. Arguments: queue, rows (as counted, more
than limit), limit, using."""

dropped = Signal()
"""Outbox rows were deleted by hand; their changes never arrive. Arguments: count, using."""

confirmed = Signal()
"""A replica confirmed outbox rows. Arguments: queue, count (of those that there still were), outbox_ids, using."""

received = Signal()
"""A batch has arrived at a replica. Arguments: batch."""

path_chosen = Signal()
"""Messages of a model are about to be applied, in bulk or by its hooks. Arguments: cqrs_id, bulk, reason (why not; in
bulk: why the fastest statement failed, "not at once: " and the error)."""

applied = Signal()
"""Messages were applied. Arguments: cqrs_id, messages."""

skipped = Signal()
"""A message needed nothing. Arguments: message, reason."""

retried = Signal()
"""A message failed and waits as a letter. Arguments: message, reason, after_seconds."""

waiting = Signal()
"""A message waits as a letter for a row that it refers to, which is not here. Arguments: message, reason, until."""

released = Signal()
"""Letters are due that have waited for other rows: these have come, or the time is over. Arguments: count, using."""

died = Signal()
"""A message is a dead letter now.

Arguments: message (None when it could not be read; then ``wire`` is what came), reason.
"""

query_timed_out = Signal()
"""A statement took longer than CQRS_QUERY_TIMEOUT. Arguments: cqrs_id, sql (with placeholders), limit_ms, using."""

gap_found = Signal()
"""Revisions between row and message are missing (lost, filtered out or coalesced). Arguments: message, count."""

race_found = Signal()
"""Somebody else created the row while this message waited for its key. Arguments: message."""

confirm_failed = Signal()
"""Confirmations could not be sent; the next flush tries again. Arguments: reply_to, error."""

asked = Signal()
"""The master was asked for the present state of keys whose messages are too old. Arguments: reply_to, messages."""

ask_failed = Signal()
"""The question could not be sent; it is asked again later. Arguments: reply_to, error."""

repaired = Signal()
"""What a replica asked for, or a comparison found, is captured for its queue.

Arguments: queue, cqrs_id, syncs, deletes, waiting, using.
"""

repair_refused = Signal()
"""A replica asked for what it is not to get. Arguments: queue, cqrs_id, count, reason."""

comparison_started = Signal()
"""A comparison of a model with a replica queue begins. Arguments: run (a ``Reconciliation``), using."""

drift_found = Signal()
"""Rows of a replica differ from the master's. Arguments: run, kind (one of ``Reconciliation.KINDS``), keys, using."""

comparison_ended = Signal()
"""A comparison has ended; its state and its counts say how. Arguments: run, using."""

answer_failed = Signal()
"""A replica's answer to a comparison could not be sent; the master asks again. Arguments: reply_to, error."""

wake_up_failed = Signal()
"""The wake-up of a retry could not be sent; beat tries the letter. Arguments: error."""

warned = Signal()
"""A worker is ready, and something about its settings or its broker should be changed. Arguments: problem (a Django
``CheckMessage`` with id, msg and hint)."""

post_bulk_create = Signal()
"""Instances were created in bulk. Sent by ``call_post_bulk_create``. Arguments: instances, using."""

post_update = Signal()
"""Instances were updated in bulk. Sent by ``call_post_update``. Arguments: instances, using."""
