"""The order within a batch: deletions first, children before parents; then the rest, parents before children."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeVar

from celery_cqrs.message import Message, SignalType
from celery_cqrs.registry import ReplicaRegistry

T = TypeVar("T")
Keyed = tuple[str, Message]
Name = tuple[bool, str]
"""Whether it is a deletion, and the CQRS_ID."""
NAMING = itemgetter("signal_type", "cqrs_id")


def ordered_groups(messages: Iterable[Message]) -> list[tuple[str, Sequence[Message]]]:
    """``messages`` by CQRS_ID, each group in the order of arrival, the groups as the models' foreign keys ask."""
    return _grouped(messages, lambda message: (message.signal_type is SignalType.DELETE, message.cqrs_id))


def ordered_wires(wires: Sequence[Any]) -> list[tuple[str, Sequence[Any]]]:
    """The same for messages as they came; those whose id cannot be read are together under an empty one."""
    try:
        names = set(map(NAMING, wires))
    except (KeyError, TypeError):  # something is wrong with one of them
        names = set()
    if len(names) == 1:
        ((_, cqrs_id),) = names
        return [(_text(cqrs_id), wires)]
    return _grouped(wires, _name_of)


def _grouped(items: Iterable[T], name_of: Callable[[T], Name]) -> list[tuple[str, Sequence[T]]]:
    groups: dict[Name, list[T]] = defaultdict(list)
    for item in items:
        groups[name_of(item)].append(item)
    return [(key[1], groups[key]) for key in sorted(groups, key=_rank)]


def _name_of(wire: Any) -> Name:
    fields = wire if isinstance(wire, dict) else {}
    return fields.get("signal_type") == SignalType.DELETE, _text(fields.get("cqrs_id"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _rank(key: Name) -> tuple[bool, int]:
    is_delete, cqrs_id = key
    depth = _depth(ReplicaRegistry.get_model_by_cqrs_id(cqrs_id), frozenset())
    return not is_delete, -depth if is_delete else depth


def _depth(model: Any, seen: frozenset[Any]) -> int:
    """How many generations of parents ``model`` has; circles end where they close."""
    if model is None or not hasattr(model, "_meta") or model in seen:
        return 0
    parents = {field.related_model for field in model._meta.concrete_fields if field.is_relation} - {model}
    return max((1 + _depth(parent, seen | {model}) for parent in parents), default=0)


def ordered_messages(model: Any, keyed: Sequence[Keyed]) -> list[Keyed]:
    """Messages of ``model``: those of one key by their revisions, and each key after those of its parents.

    Parents are looked for where the model refers to itself, among these messages; circles end where they close.
    """
    of_key: dict[str, list[Keyed]] = defaultdict(list)
    for pair in keyed:
        of_key[pair[0]].append(pair)
    keys = _parents_first(model, of_key)
    return [pair for key in keys for pair in sorted(of_key[key], key=_revision)]


def _revision(pair: Keyed) -> int:
    return pair[1].revision


def _parents_first(model: Any, of_key: Mapping[str, Sequence[Keyed]]) -> Iterable[str]:
    fields = [field for field in model._meta.concrete_fields if field.related_model is model]
    if not fields:
        return of_key
    theirs = {ours: name for name, ours in (model.CQRS_MAPPING or {}).items()}
    names = [theirs.get(field.name, field.name) for field in fields]
    return _sorted_keys({key: _parents(pairs, names) for key, pairs in of_key.items()})


def _parents(pairs: Sequence[Keyed], names: Sequence[str]) -> list[str]:
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
