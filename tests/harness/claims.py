"""Everything that a publisher would claim, in one go."""

from celery_cqrs.master.claim import claim_changes, claim_syncs


def claim(using, limit, older_than_seconds=0, queues=None):
    """About ``limit`` pending rows of all kinds, marked as sent, by id."""
    changes = claim_changes(using, limit, older_than_seconds, queues)
    return sorted(changes + claim_syncs(using, limit - len(changes), older_than_seconds, queues))
