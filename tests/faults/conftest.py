"""A broker of the tests' own for each run of faults; what cannot be started skips on a laptop and fails in CI."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.arena import BROKERS, Arena
from tests.needs import require, require_program
from tests.services import POSTGRES


@pytest.fixture(scope="package")
def arena(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """The sample on a broker that only these tests know, and two writers that wait for the word."""
    require(POSTGRES)
    require_program(BROKERS[request.param])
    scratch = tmp_path_factory.mktemp("faults")
    with (
        BROKERS[request.param](scratch / "server") as server,
        Arena(scratch, server=server, database_url=POSTGRES.url) as made,
    ):
        made.begin()
        yield made
