"""Serializers that cannot be used, each in its own way."""

from __future__ import annotations

from typing import Any


class Serializer:
    """Takes the instance; its data is what a subclass says."""

    data: Any = None

    def __init__(self, instance: Any) -> None:
        pass


class TellsNothing(Serializer):
    """None is no dict."""


class TellsAList(Serializer):
    """A list is no dict."""

    data = ({"id": 1},)


class TellsAnObject(Serializer):
    """JSON has no form for it."""

    data = {"id": 1, "what": object()}


class TellsItself(Serializer):
    """It never ends."""

    data: dict[str, Any] = {"id": 1}


TellsItself.data["again"] = TellsItself.data


class HasNoData:
    """What django-cqrs asks for is missing."""

    def __init__(self, instance: Any) -> None:
        pass


class TakesNothing:
    """It cannot be made from an instance."""

    data = {"id": 1}


class Raises:
    """It fails at once."""

    def __init__(self, instance: Any) -> None:
        raise LookupError("nothing found")


class TellsOfItsOwnRevision(Serializer):
    """The revision is the package's."""

    data = {"id": 1, "cqrs_revision": 99, "title": "x"}
