"""The order within a batch: deletions first, children before parents; then the rest, parents before children."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from celery_cqrs.message import Message, SignalType
from celery_cqrs.registry import ReplicaRegistry

Group = tuple[str, list[Message]]


def ordered_groups(messages: Iterable[Message]) -> list[Group]:
    """``messages`` by CQRS_ID, each group in the order of arrival, the groups as the models' foreign keys ask."""
    groups: dict[tuple[bool, str], list[Message]] = defaultdict(list)
    for message in messages:
        groups[(message.signal_type is SignalType.DELETE, message.cqrs_id)].append(message)
    return [(key[1], groups[key]) for key in sorted(groups, key=_rank)]


def _rank(key: tuple[bool, str]) -> tuple[bool, int]:
    is_delete, cqrs_id = key
    depth = _depth(ReplicaRegistry.get_model_by_cqrs_id(cqrs_id), frozenset())
    return not is_delete, -depth if is_delete else depth


def _depth(model: Any, seen: frozenset[Any]) -> int:
    """How many generations of parents ``model`` has; circles end where they close."""
    if model is None or not hasattr(model, "_meta") or model in seen:
        return 0
    parents = {field.related_model for field in model._meta.concrete_fields if field.is_relation} - {model}
    return max((1 + _depth(parent, seen | {model}) for parent in parents), default=0)


def parents_first(model: Any, keyed: Sequence[tuple[str, Message]]) -> list[tuple[str, Message]]:
    """Messages of a model that refers to itself, each after those of its parents as far as they are among them.

    The messages of one key keep their order; circles end where they close.
    """
    fields = [field for field in model._meta.concrete_fields if field.related_model is model]
    if not fields:
        return list(keyed)
    theirs = {ours: name for name, ours in (model.CQRS_MAPPING or {}).items()}
    of_key: dict[str, list[tuple[str, Message]]] = defaultdict(list)
    for pair in keyed:
        of_key[pair[0]].append(pair)
    names = [theirs.get(field.name, field.name) for field in fields]
    parents = {key: _parents(pairs, names) for key, pairs in of_key.items()}
    return [pair for key in _sorted_keys(parents) for pair in of_key[key]]


def _parents(pairs: Sequence[tuple[str, Message]], names: Sequence[str]) -> list[str]:
    values = (message.instance_data.get(name) for _, message in pairs for name in names)
    return [str(value) for value in values if value is not None]


def _sorted_keys(parents: Mapping[str, Sequence[str]]) -> list[str]:
    """Depth first without recursion, since a chain may be as long as a batch."""
    placed: dict[str, None] = {}
    for start in parents:
        path, entered = [start], {start}
        while path:
            ahead = [one for one in parents[path[-1]] if one in parents and one not in placed and one not in entered]
            if ahead:
                path.append(ahead[0])
                entered.add(ahead[0])
            else:
                placed[path.pop()] = None
    return list(placed)
