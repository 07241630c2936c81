"""A service that is to sign: set up as a whole, or told what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kombu.serialization import registry

from tests.django.conftest import problems, the_problem
from tests.django.test_check_worker import Configured, configured  # noqa: F401 (a fixture)
from tests.transport.conftest import service  # noqa: F401 (a fixture)

SIGNING: dict[str, Any] = {"task_serializer": "auth", "accept_content": ["auth"]}


@pytest.fixture
def set_up() -> Iterator[None]:
    """What ``app.setup_security()`` does to the process, but for refusing other serializers in it."""
    registry.register("auth", lambda data: data, lambda data: data, "application/data", "utf-8")
    yield
    registry.unregister("auth")


def test_a_service_that_signs_and_reads_what_is_signed_is_right(configured: Configured, set_up: None) -> None:  # noqa: F811
    configured(**SIGNING)
    assert problems() == []


def test_a_service_that_signs_without_keys_is_told_what_to_call(configured: Configured) -> None:  # noqa: F811
    configured(**SIGNING)
    number, _, hint = the_problem()
    assert number == "E023"
    assert "app.setup_security()" in hint


def test_a_service_that_signs_and_refuses_what_is_signed_is_not_started(
    configured: Configured,  # noqa: F811
    set_up: None,
) -> None:
    configured(task_serializer="auth")
    assert [str(one.id) for one in problems()] == ["celery_cqrs.E020", "celery_cqrs.W024"]
    assert "Add 'auth' to accept_content" in str(problems()[0].hint)


@pytest.mark.parametrize("accepted", [["auth", "json"], ["application/data", "json"]], ids=str)
def test_a_service_that_signs_and_lets_unsigned_messages_in_is_told(
    configured: Configured,  # noqa: F811
    set_up: None,
    accepted: list[str],
) -> None:
    configured(task_serializer="auth", accept_content=accepted)
    number, sentence, _ = the_problem()
    assert (number, sentence) == ("W024", "Tasks are signed, and accept_content lets unsigned ones in: json.")
