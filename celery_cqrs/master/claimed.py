"""An outbox row in the hands of its publisher."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple


class Claimed(NamedTuple):
    """An outbox row as its publisher needs it: ``captured_at`` as it travels, JSON; the rest as in ``Outbox``."""

    id: int
    queue: str
    cqrs_id: str
    pk_text: str
    signal_type: str
    revision: int | None
    previous_data: Any
    custom: Any
    meta: Any
    correlation_id: Any
    direct: bool
    error: str
    captured_at: str
    is_held: bool
    attempts: int
    sent_at: datetime
