"""The error tree. A class docstring is the message: what happened, and what to do next."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured


class CqrsError(Exception):
    """celery_cqrs could not go on."""

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        super().__init__(" ".join((type(self).__doc__ or "").split()).format(**facts))

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self.facts)


def _rebuild(kind: type[CqrsError], facts: dict[str, Any]) -> CqrsError:
    """Errors cross processes (Celery's pool, parallel tests); pickle would call the class with the sentence alone."""
    return kind(**facts)


class ModelRefused(CqrsError, ImproperlyConfigured):
    """Model {model}: {problem}"""


class SettingRefused(CqrsError, ImproperlyConfigured):
    """CQRS setting {path}: {problem}"""


class CeleryAppNotFound(CqrsError, ImproperlyConfigured):
    """No Celery app was found, nor is {tried} one. Set CQRS["celery_app"], for example to "proj.celery:app"."""


class MessageRefused(CqrsError):
    """The message is refused: {problem}"""


class UnknownWireVersion(MessageRefused):
    """The batch has wire version {version!r}, this service reads {known}. Upgrade celery_cqrs: it is sent again."""


class UnknownCqrsId(MessageRefused):
    """No replica model of this service has CQRS_ID {cqrs_id!r}. Add the model, or take the id out of the master's
    replicas setting; then sync the row from the master (instance.cqrs_sync()).
    """


class MappingFailed(CqrsError):
    """The data of {cqrs_id!r} does not fit replica model {model}: {problem}"""


class HookRefused(CqrsError):
    """{hook} of {model} returned {value!r}. A hook returns a truthy value when it is done and raises when it is not."""


class HookSwallowedError(CqrsError):
    """A hook of {model} caught a database error, which had broken its transaction. Let it out, or open a savepoint."""


class WrongCqrsId(CqrsError):
    """Wrong CQRS ID: {cqrs_id}!"""


class BadFilter(CqrsError):
    """Bad filter kwargs! {problem}"""


class NothingFound(CqrsError):
    """No objects found for filter!"""


class InputRefused(CqrsError):
    """Line {line} of the input is refused: {problem}"""


class SerializationFailed(CqrsError):
    """{model} {pk} cannot be serialized: {problem}"""


class RowRefused(CqrsError):
    """{cqrs_id} {pk!r} cannot be written together with the rows that it refers to and that refer to it."""


class RowsKnotted(CqrsError):
    """{rows} refer to each other, and this database checks every row as it is written. Let one of these foreign keys
    be null in the replica, then retry their letters.
    """


class TransportError(CqrsError):
    """The transport failed: {problem}"""


class BrokerUnavailable(TransportError):
    """The broker cannot be reached ({problem}). Changes wait in the outbox and are sent when it is back."""


class BrokerTooSlow(BrokerUnavailable):
    """The broker did not take a batch in time ({problem}). Changes wait, and smaller batches are tried. If this goes
    on, raise CQRS["master"]["socket_timeout_seconds"].
    """


class QueueRests(TransportError):
    """Queue {queue!r} takes nothing at the moment. Its changes wait in the outbox."""


class QueueMissing(QueueRests):
    """Queue {queue!r} does not exist yet: the worker of that replica has never run. Its changes wait in the outbox."""


class QueueFull(QueueRests):
    """Queue {queue!r} is full and rejects what comes. Its changes wait in the outbox; start or add workers for it."""


class BatchRefused(TransportError):
    """The broker refused a batch for queue {queue!r} ({problem})."""


class DumpRefused(CqrsError):
    """{problem}"""


class NothingToResume(CqrsError):
    """There is nothing to resume: no run with these arguments was stopped. Run it without --resume."""


class SyncStalled(CqrsError):
    """Queue {queue!r} has confirmed nothing for {seconds:.0f} s; {rows} rows wait for it. See that its worker runs (and
    cqrs_status), then go on with --resume; or say --at-once, to capture all rows without waiting.
    """
