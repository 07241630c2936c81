"""Read-model replicas of Django models, kept in step across services by Celery.

What happens to a change, step by step, and where:

1. capture   ``master/capture.py``   an ORM change becomes outbox rows, one per queue, in the caller's transaction
2. outbox    ``master/outbox.py``    a row is pending, then sent, then confirmed and gone
3. publish   ``master/drain.py``     claimed rows become messages, messages one Celery task per replica queue
4. receive   ``replica/receive.py``  a batch becomes valid messages, each routed to its replica model
5. apply     ``replica/apply.py``    a guarded write: once, and never backwards
6. settle    ``replica/settle.py``   an ending for each message, and a row of its own; ``confirm.py`` tells the master
7. heal      ``master/resend.py``    what was not confirmed is sent again, by evidence; and
             ``reconcile/conversation.py`` compares both sides, and repairs what was never captured or was edited

Whole tables, because a person asks for it (sync, dump and load, the diff pipes), are the work of ``transfer/``.
Rows are the truth, tasks are wake-ups: a broker may lose, double or reorder messages and only the latency changes.
"""

__version__ = "0.1.0"
