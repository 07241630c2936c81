"""Receiving is the same on every database; what is not said otherwise runs on SQLite."""

from __future__ import annotations

import pytest

from celery_cqrs.models import Letter


@pytest.fixture
def letter(db: None) -> Letter:
    """A letter that waits for author 1 at revision 5."""
    return Letter.objects.create(
        queue="replica",
        cqrs_id="author",
        pk_text="1",
        signal_type="SAVE",
        revision=5,
        payload={"kept": True},
        reason="it failed",
        state=Letter.RETRYING,
        attempts=1,
    )
