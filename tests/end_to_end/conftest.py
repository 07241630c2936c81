"""One running system per broker for the whole folder; tests have keys of their own and leave it equal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.system import System
from tests.needs import require
from tests.services import POSTGRES, RABBITMQ, REDIS

SEED = """
for code in ("IS", "DE", "FR"):
    country(code, f"Country {code}").save()
    Subdivision(code=f"{code}-1", name=f"Place of {code}", type="Place", country_id=code).save()
"""


def redis_url(request: pytest.FixtureRequest, beside: int = 1) -> str:
    """A database beside the one that other tests empty; systems that run at the same time need one each."""
    require(REDIS)
    return REDIS.parts._replace(path=f"/{int(REDIS.parts.path.strip('/') or 0) + beside}").geturl()


def rabbitmq_url(request: pytest.FixtureRequest) -> str:
    """The tests' own virtual host."""
    require(RABBITMQ)
    url: str = request.getfixturevalue("rabbitmq_vhost_url")
    return url


@pytest.fixture(
    scope="package",
    params=[
        pytest.param(redis_url, id="redis", marks=pytest.mark.servers("redis", "postgres")),
        pytest.param(rabbitmq_url, id="rabbitmq", marks=pytest.mark.servers("rabbitmq", "postgres")),
    ],
)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Three services with workers and beats, and a few rows."""
    require(POSTGRES)
    scratch = tmp_path_factory.mktemp("end_to_end")
    with System(scratch, broker_url=request.param(request), database_url=POSTGRES.url) as system:
        system.prepare()
        system.start("--without-heartbeat")
        system.run_code(SEED)
        system.converge()
        yield system


@pytest.fixture
def system(running: System) -> System:
    """The system, at rest: nothing is left of an earlier test."""
    running.calm_down()
    return running


@pytest.fixture
def own_way(running: System) -> Iterator[Any]:
    """A proxy to the broker for a process of the test."""
    way = running.new_way()
    yield way
    way.close()
