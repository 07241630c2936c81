"""Claimed rows become messages: planned per key, told as the instances are now, to each queue what it may see."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from operator import attrgetter
from typing import Any, NamedTuple

from celery_cqrs import conf
from celery_cqrs.exceptions import SerializationFailed
from celery_cqrs.master.claimed import Claimed, Member, Row, member_id
from celery_cqrs.master.coalesce import Planned, coalesce
from celery_cqrs.master.decodable import problem_of
from celery_cqrs.master.fields import visible
from celery_cqrs.master.states import State, States, model_of, pk_of, speller, texts_of
from celery_cqrs.message import NULL, SIGNAL_TYPES, SignalType, message_frame, message_text

UNKNOWN_TYPE = "The signal type is not known here; a newer celery_cqrs wrote the row. Upgrade this process."


class Prepared(NamedTuple):
    """A message as it travels, JSON, with the rows that it settles, for one queue; ``direct``: for this queue alone.

    ``position``: the first row of its key, which may be a bundle.
    """

    queue: str
    direct: bool
    text: str
    rows: tuple[Row, ...]
    position: int


@dataclass
class Preparation:
    """What claimed rows came to: messages, rows that need none, rows that stay held, and failed ones with the error."""

    messages: list[Prepared] = field(default_factory=list)
    needless: list[Row] = field(default_factory=list)
    held: list[Claimed] = field(default_factory=list)
    failed: list[tuple[tuple[Claimed, ...], str]] = field(default_factory=list)


def prepare(using: str, rows: Sequence[Claimed], stamp: datetime) -> Preparation:
    """Plan, read and encode ``rows``, in the order of their capture; each bad row fails alone."""
    ttl = conf.master.CQRS_MESSAGE_TTL
    expires = NULL if ttl is None else _json((stamp + timedelta(seconds=ttl)).isoformat())
    result = Preparation()
    singles = [row for row in rows if not row.is_bundle]
    told = cache(partial(texts_of, using))  # to several queues the same keys
    for bundle in (row for row in rows if row.is_bundle):
        texts = told(bundle.cqrs_id, tuple(bundle.members.values()))
        if texts is None or bundle.signal_type not in SIGNAL_TYPES:
            singles += [bundle.member(place, key) for place, key in bundle.members.items()]
        else:
            singles += _unpack(bundle, texts, expires, result)
    _prepare_singles(using, singles, expires, result)
    result.messages.sort(key=attrgetter("position"))
    return result


def _unpack(bundle: Claimed, texts: Mapping[str, str], expires: str, result: Preparation) -> list[Claimed]:
    """The messages of ``bundle``, whose rows the database has told; keys without a row need none.

    Returns the members that cannot go like this.
    """
    bad = []
    spell, add = speller(model_of(bundle)), result.messages.append
    before, between, after, end = message_frame(bundle.signal_type, bundle.cqrs_id, bundle.captured_at, expires)
    for place, key in bundle.members.items():
        member = Member(member_id(bundle.id, place), bundle)
        data = texts.get(key)
        if data is None:
            result.needless.append(member)
            continue
        text = f"{before}{spell(key)}{between}{data}{after}{member.id}{end}"
        if problem_of(text):
            bad.append(bundle.member(place, key))
        else:
            add(Prepared(bundle.queue, bundle.direct, text, (member,), bundle.id))
    return bad


def _prepare_singles(using: str, rows: Sequence[Claimed], expires: str, result: Preparation) -> None:
    known = [row for row in rows if row.signal_type in SIGNAL_TYPES]
    plans = coalesce(known)
    states = States(using, [plan.last for plan in plans if plan.signal_type is not SignalType.DELETE])
    result.held += _unplanned(known, plans)
    result.failed += [((row,), UNKNOWN_TYPE) for row in rows if row.signal_type not in SIGNAL_TYPES]
    for plan in plans:
        try:
            text = _text(plan, states, expires)
        except SerializationFailed as error:
            result.failed.append((plan.rows, str(error)))
            continue
        if text is None:
            result.needless.extend(plan.rows)
        else:
            result.messages.append(Prepared(plan.last.queue, plan.last.direct, text, plan.rows, plan.position))


def _text(plan: Planned, states: States, expires: str) -> str | None:
    """The message of ``plan``, or None for a row that is gone: its DELETE has been captured by whoever deleted it.

    Raises SerializationFailed.
    """
    row = plan.last
    state = _deleted(row) if plan.signal_type is SignalType.DELETE else states.state_for(row)
    if state is None:
        return None
    text = message_text(
        SignalType.DELETE if state.has_left else plan.signal_type,
        row.cqrs_id,
        pk=state.pk,
        data=state.data,
        previous_data=NULL if state.has_left else _previous_data(plan),
        correlation_id=_json(row.correlation_id),
        expires=expires,
        meta=_json(row.meta),
        captured_at=plan.rows[0].captured_at,
        outbox_ids=row_ids(plan.rows),
    )
    if problem := problem_of(text):
        raise SerializationFailed(model=model_of(row).__name__, pk=row.pk_text, problem=problem)
    return text


def _unplanned(rows: Sequence[Claimed], plans: Iterable[Planned]) -> list[Claimed]:
    """Held rows that no newer one takes along."""
    if not any(row.is_held for row in rows):
        return []
    planned = {row.id for plan in plans for row in plan.rows}
    return [row for row in rows if row.id not in planned]


def row_ids(rows: Iterable[Row]) -> list[int]:
    """The numbers of ``rows`` on the wire."""
    return [row.id for row in rows]


def _previous_data(plan: Planned) -> str:
    told = plan.previous_data
    return NULL if told is None else _json(visible(model_of(plan.last), plan.last.queue, told))


def _deleted(row: Claimed) -> State:
    pk = _json(pk_of(row))
    custom = f',"custom":{_json(row.custom)}' if row.custom else ""
    data = f'{{"id":{pk},"cqrs_revision":{_json(row.revision)},"cqrs_updated":{row.captured_at}{custom}}}'
    return State(pk, data)


def _json(value: Any) -> str:
    return NULL if value is None else json.dumps(value)
