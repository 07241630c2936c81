"""Replica models with retry policies of their own, as proxies of AuthorRef."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import connections, router

from tests.app.models import AuthorRef


class Failing(AuthorRef):
    """Runs ``statements``, then fails as long as ``broken``; with the policy of the package."""

    CQRS_ID = "failing"
    broken: ClassVar[bool] = True
    error: ClassVar[Exception] = RuntimeError("not today")
    tries: ClassVar[int] = 0
    statements: ClassVar[list[str]] = []

    class Meta:
        proxy = True
        app_label = "app"

    @classmethod
    def cqrs_create(cls, sync: bool, mapped_data: Any, **kwargs: Any) -> Any:
        Failing.tries += 1
        with connections[router.db_for_write(cls)].cursor() as cursor:
            for statement in Failing.statements:
                cursor.execute(statement)
        if Failing.broken:
            raise Failing.error
        return super().cqrs_create(sync, mapped_data, **kwargs)


class Choosy(Failing):
    """Decides by itself whether and when to try again; its answers are set by the test."""

    CQRS_ID = "choosy"
    asked: ClassVar[list[tuple[int, str]]] = []
    tries_left: ClassVar[int] = 2
    delay: ClassVar[Any] = 7
    policy_error: ClassVar[Exception | None] = None

    class Meta:
        proxy = True
        app_label = "app"

    @classmethod
    def should_retry_cqrs(cls, current_retry: int, exception: BaseException | None = None) -> bool:
        cls.asked.append((current_retry, type(exception).__name__))
        if cls.policy_error:
            raise cls.policy_error
        return current_retry < cls.tries_left

    @classmethod
    def get_cqrs_retry_delay(cls, current_retry: int) -> Any:
        return cls.delay


def reset() -> None:
    """As they were."""
    Failing.broken, Failing.tries, Failing.error = True, 0, RuntimeError("not today")
    Failing.statements = []
    Choosy.asked.clear()
    Choosy.tries_left, Choosy.delay, Choosy.policy_error = 2, 7, None
