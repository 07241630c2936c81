"""A hostile transport: it splits batches, doubles, delays and reorders what it is given, and loses some of it."""

from __future__ import annotations

import heapq
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Any, ClassVar

from celery_cqrs.transport.base import Envelope, Transport


@dataclass(frozen=True)
class Weather:
    """How bad it is. ``extras`` are the shares of envelopes that come once, twice, three and four times.

    A share of ``delayed`` envelopes lets up to ``overtaken_by`` others pass; ``crowd`` are kept back to choose from.
    """

    lost: float = 0.05
    extras: tuple[float, ...] = (0.55, 0.2, 0.15, 0.1)
    split: float = 0.3
    delayed: float = 0.1
    overtaken_by: int = 200
    crowd: int = 8


class StormyTransport(Transport):
    """One sea for all queues of this process. Every choice is made by ``chance``."""

    chance: ClassVar[Random] = Random(0)
    weather: ClassVar[Weather] = Weather()
    lost: ClassVar[int] = 0
    split: ClassVar[int] = 0

    _changed: ClassVar[threading.Condition] = threading.Condition()
    _ready: ClassVar[list[Envelope]] = []
    _delayed: ClassVar[list[tuple[int, int, Envelope]]] = []
    _taken: ClassVar[int] = 0
    _closing: ClassVar[bool] = False
    _numbers: ClassVar[Iterator[int]] = count()

    @classmethod
    def begin(cls, chance: Random, weather: Weather) -> None:
        """An empty sea."""
        cls.chance, cls.weather = chance, weather
        cls.lost = cls.split = cls._taken = 0
        cls._ready.clear()
        cls._delayed.clear()

    def send(self, envelope: Envelope) -> None:
        """Take the envelope, whatever will become of it."""
        with self._changed:
            for part in self._parts(envelope):
                if self.chance.random() < self.weather.lost:
                    type(self).lost += 1
                    continue
                for _ in range(1 + self._extra_copies()):
                    self._keep(replace(part, payload=json.loads(json.dumps(part.payload))))
            self._changed.notify_all()

    @classmethod
    def open(cls) -> None:
        """From now on more may come: whoever takes waits for it."""
        cls._closing = False

    @classmethod
    def close(cls) -> None:
        """Nobody sends any more but those who take."""
        with cls._changed:
            cls._closing = True
            cls._changed.notify_all()

    @classmethod
    def take(cls) -> Envelope | None:
        """Any of those that are not delayed; None when it is closed and there is none left."""
        with cls._changed:
            while not cls._closing and len(cls._ready) < cls.weather.crowd:
                cls._changed.wait()
            if not cls._ready:
                return None
            cls._taken += 1
            index = cls.chance.randrange(len(cls._ready))
            cls._ready[index], cls._ready[-1] = cls._ready[-1], cls._ready[index]
            taken = cls._ready.pop()
            while cls._delayed and cls._delayed[0][0] <= cls._taken:
                cls._ready.append(heapq.heappop(cls._delayed)[2])
            return taken

    @classmethod
    def calm_down(cls) -> None:
        """What was delayed is on its way again."""
        with cls._changed:
            cls._ready += [envelope for _, _, envelope in cls._delayed]
            cls._delayed.clear()

    @classmethod
    def afloat(cls) -> list[Envelope]:
        """All that is under way."""
        return [*cls._ready, *(envelope for _, _, envelope in cls._delayed)]

    def _parts(self, envelope: Envelope) -> list[Envelope]:
        """Its batch, or two of what was one."""
        messages = envelope.payload.get("messages", [])
        if len(messages) < 2 or self.chance.random() >= self.weather.split:
            return [envelope]
        type(self).split += 1
        place = self.chance.randint(1, len(messages) - 1)
        return [_with(envelope, messages[:place]), _with(envelope, messages[place:])]

    def _extra_copies(self) -> int:
        drawn, copies = self.chance.random(), 0
        for share in self.weather.extras[:-1]:
            drawn -= share
            copies += drawn >= 0
        return copies

    def _keep(self, envelope: Envelope) -> None:
        if self.chance.random() < self.weather.delayed:
            due = self._taken + self.chance.randint(1, self.weather.overtaken_by)
            heapq.heappush(self._delayed, (due, next(self._numbers), envelope))
        else:
            self._ready.append(envelope)


def _with(envelope: Envelope, messages: list[Any]) -> Envelope:
    return replace(envelope, payload={**envelope.payload, "messages": messages})


class StepwiseStorm(StormyTransport):
    """The same, publishing and confirming at once: nothing happens by itself."""

    synchronous = True
