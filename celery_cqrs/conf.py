"""Every key of ``settings.CQRS``, declared once: default, accepted types, meaning. The only reader of that setting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

from django.conf import settings

T = TypeVar("T")
NUMBER = (int, float)


class Setting(Generic[T]):
    """One key: ``default``, ``kinds`` (the accepted types) and ``meaning`` (with its unit). Read at each use."""

    name = ""

    def __init__(self, default: T, kinds: tuple[type, ...], meaning: str) -> None:
        self.default = default
        self.kinds = kinds
        self.meaning = meaning

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, section: None, owner: type) -> Setting[T]: ...

    @overload
    def __get__(self, section: Section, owner: type) -> T: ...

    def __get__(self, section: Section | None, owner: type) -> Setting[T] | T:
        if section is None:
            return self
        value: T = section.given().get(self.name, self.default)
        return value


class Section:
    """A group of keys: the top of ``CQRS`` or one of its dictionaries."""

    path = ""

    def given(self) -> Mapping[str, Any]:
        """What the project has set in this section."""
        top: Mapping[str, Any] = getattr(settings, "CQRS", None) or {}
        return top if not self.path else top.get(self.path) or {}

    @classmethod
    def declared(cls) -> dict[str, Setting[Any]]:
        """The keys of this section, by name."""
        return {name: value for name, value in vars(cls).items() if isinstance(value, Setting)}


class Service(Section):
    """The keys at the top of ``CQRS``."""

    queue = Setting[str]("", (str,), "the queue of this service; its workers run with -Q <queue>")
    celery_app = Setting[str | None](None, (str,), "dotted path of the Celery app; found when left out")
    transport = Setting[str](
        "celery_cqrs.transport.celery.CeleryTransport", (str,), "dotted path of the transport (memory for tests)"
    )
    tombstone_seconds = Setting[float](864_000, NUMBER, "seconds for which deletions are remembered, on both sides")


class Master(Section):
    """The keys of ``CQRS["master"]``."""

    path = "master"
    replicas = Setting[Mapping[str, Sequence[str] | str]]({}, (dict,), 'queue → list of CQRS_IDs, or "__all__"')
    publish = Setting[str]("commit", (str,), '"commit" (a thread of this process) or "relay" (manage.py cqrs_relay)')
    batch_size = Setting[int](500, (int,), "messages in a batch, at most")
    batch_bytes = Setting[int](1_000_000, (int,), "bytes of JSON in a batch, about")
    relay_poll_seconds = Setting[float](0.5, NUMBER, "seconds between looks of the relay without LISTEN/NOTIFY")
    sweep_seconds = Setting[float](10, NUMBER, "seconds between drains by beat")
    resend_after_seconds = Setting[float](30, NUMBER, "seconds without confirmation before a first resend; doubles")
    resend_max_seconds = Setting[float](900, NUMBER, "cap of that doubling, seconds")
    resend_margin_seconds = Setting[float](
        5, NUMBER, "how much later a confirmed batch must be to prove a loss, seconds"
    )
    outbox_max_rows = Setting[int | None](
        None, (int,), "rows per queue above which the outbox is announced as overfull; None = no cap"
    )
    breaker_seconds = Setting[float](10, NUMBER, "seconds for which a process rests after a failed publish")
    socket_timeout_seconds = Setting[float](0.5, NUMBER, "seconds for connect, read, write and confirm, each")
    meta_function = Setting[Callable[..., Any] | str | None](None, (str, Callable), "makes the meta of a message")  # type: ignore[arg-type]
    correlation_function = Setting[Callable[..., Any] | str | None](None, (str, Callable), "makes the correlation id")  # type: ignore[arg-type]
    CQRS_AUTO_UPDATE_FIELDS = Setting[bool](False, (bool,), "capture save(update_fields=…) without being asked")
    CQRS_MESSAGE_TTL = Setting[float | None](
        86_400, NUMBER, "seconds from sending until a message expires; None = never"
    )


class Replica(Section):
    """The keys of ``CQRS["replica"]``."""

    path = "replica"
    CQRS_MAX_RETRIES = Setting[int | None](30, (int,), "retries before a letter is dead; None = for ever")
    CQRS_RETRY_DELAY = Setting[float](2, NUMBER, "base of the exponential backoff, seconds")
    retry_max_delay_seconds = Setting[float](300, NUMBER, "cap of the backoff, seconds")
    dead_message_ttl = Setting[float | None](
        864_000, NUMBER, "seconds for which dead letters are kept; None = for ever"
    )
    CQRS_QUERY_TIMEOUT = Setting[int](0, (int,), "milliseconds for a statement while applying; 0 = no limit")
    CQRS_LOG_TIMED_OUT_QUERIES = Setting[bool](False, (bool, int), "log the statement that timed out")
    CQRS_QUERY_LOGGER = Setting[str]("django-cqrs", (str,), "name of the logger for timed-out statements")
    confirm_seconds = Setting[float](0.2, NUMBER, "seconds for which confirmations are gathered")
    retry_sweep_seconds = Setting[float](10, NUMBER, "seconds between looks of beat for overdue letters")
    parent_wait_seconds = Setting[float](600, NUMBER, "seconds for which a child row waits for its parent")


class Reconcile(Section):
    """The keys of ``CQRS["reconcile"]``."""

    path = "reconcile"
    every_seconds = Setting[float](3_600, NUMBER, "seconds between quick comparisons, of revisions")
    deep_every_seconds = Setting[float](86_400, NUMBER, "seconds between deep comparisons, of contents too")
    chunk_rows = Setting[int](10_000, (int,), "rows compared at a time")
    repair = Setting[bool](True, (bool,), "repair what differs; False only reports it")
    max_delete_ratio = Setting[float](0.1, NUMBER, "share of a replica's rows that one run may delete")
    pause_rows = Setting[int](10_000, (int,), "outbox rows of a queue above which its comparisons pause")


service = Service()
master = Master()
replica = Replica()
reconcile = Reconcile()
SECTIONS: dict[str, Section] = {section.path: section for section in (service, master, replica, reconcile)}


def queues_for(cqrs_id: str) -> list[str]:
    """The replica queues that get the changes of ``cqrs_id``, in the order of the setting."""
    return [queue for queue, ids in master.replicas.items() if ids == "__all__" or cqrs_id in ids]
