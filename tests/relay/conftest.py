"""Relays: in threads of this process, or in processes of their own."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.publisher.conftest import shop, start_service  # noqa: F401 (fixtures)
from tests.transport.conftest import broker, queue, service  # noqa: F401 (fixtures)


@pytest.fixture(autouse=True)
def _signals_stay_ours() -> Iterator[None]:
    """The command takes SIGTERM and SIGINT for itself."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
