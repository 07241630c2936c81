"""Views under ASGI: transactions live in the thread that Django keeps for them, and publishing works as ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient
from django.urls import path

from celery_cqrs.models import Outbox
from celery_cqrs.transport.memory import MemoryTransport
from tests.app.models import Author
from tests.publisher.conftest import on_postgres, on_sqlite
from tests.publisher.test_thread import wait_for_published
from tests.publisher.transports import Distant


class RefusedError(Exception):
    """A view that fails after it has saved."""


async def save_two(request: HttpRequest) -> HttpResponse:
    """Two commits."""
    await Author.objects.acreate(name="Ann")
    await Author(name="Bea").asave()
    return HttpResponse()


async def save_two_together(request: HttpRequest) -> HttpResponse:
    """One commit, made in the thread for synchronous code."""
    await sync_to_async(in_one_transaction)("Ann", "Bea")
    return HttpResponse()


async def save_and_roll_back(request: HttpRequest) -> HttpResponse:
    """No commit, then one."""
    try:
        await sync_to_async(in_one_transaction)("Ann", None)
    except RefusedError:
        await Author.objects.acreate(name="Bea")
    return HttpResponse()


def save_whole_request(request: HttpRequest) -> HttpResponse:
    """With ATOMIC_REQUESTS: all of the request or nothing; nothing is published before its end."""
    Author.objects.create(name="Ann")
    assert not MemoryTransport.queues["replica"]
    in_one_transaction("Bea", None if "fail" in request.GET else "Cea")
    return HttpResponse()


def in_one_transaction(*names: str | None) -> None:
    """Save authors of these names; None fails."""
    with transaction.atomic(using=Author.objects.db):
        for name in names:
            if name is None:
                raise RefusedError
            Author.objects.create(name=name)


VIEWS = (save_two, save_two_together, save_and_roll_back, save_whole_request)
urlpatterns = [path(f"{view.__name__}/", view) for view in VIEWS]
Get = Callable[..., int]


@pytest.fixture
def get(settings: Any, distant: type[Distant], monkeypatch: pytest.MonkeyPatch) -> Get:
    """Asks a view by ASGI; the status of its answer."""
    settings.ROOT_URLCONF = __name__

    def ask(view: Callable[..., Any], query: str = "", *, atomic_on: str | None = None) -> int:
        if atomic_on:
            monkeypatch.setitem(connections[atomic_on].settings_dict, "ATOMIC_REQUESTS", True)
        client = AsyncClient(raise_request_exception=False)
        return int(async_to_sync(client.get)(f"/{view.__name__}/{query}").status_code)

    return ask


def test_saves_of_an_async_view_are_published(database: str, get: Get) -> None:
    assert get(save_two) == 200
    wait_for_published("Ann", "Bea")


@on_sqlite
def test_a_transaction_of_an_async_view_is_published_in_one_batch(database: str, get: Get) -> None:
    assert get(save_two_together) == 200
    wait_for_published("Ann", "Bea")
    assert len(MemoryTransport.queues["replica"]) == 1


def test_what_an_async_view_rolls_back_is_never_published(database: str, get: Get) -> None:
    assert get(save_and_roll_back) == 200
    wait_for_published("Bea")


@on_postgres
def test_an_atomic_request_is_published_as_a_whole(database: str, get: Get) -> None:
    assert get(save_whole_request, atomic_on=database) == 200
    wait_for_published("Ann", "Bea", "Cea")
    assert len(MemoryTransport.queues["replica"]) == 1


@on_postgres
def test_an_atomic_request_that_fails_publishes_nothing(database: str, get: Get) -> None:
    assert get(save_whole_request, "?fail", atomic_on=database) == 500
    assert (Author.objects.count(), Outbox.objects.count()) == (0, 0)
