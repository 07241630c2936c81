"""PostgreSQL: many values as one parameter, the text of an array, which the database casts by itself.

A driver that adapts lists goes through them value by value, which costs more than all the rest of a look-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import models

SEPARATOR = "\x00"
"""PostgreSQL's texts never contain it."""

INTEGERS: dict[type, str] = {
    models.SmallIntegerField: "smallint",
    models.PositiveSmallIntegerField: "smallint",
    models.SmallAutoField: "smallint",
    models.IntegerField: "integer",
    models.PositiveIntegerField: "integer",
    models.AutoField: "integer",
    models.BigIntegerField: "bigint",
    models.PositiveBigIntegerField: "bigint",
    models.BigAutoField: "bigint",
}
"""Exactly these classes: what inherits from them may hold its values another way. So for the next."""

STRINGS = (models.CharField, models.TextField, models.SlugField, models.EmailField, models.URLField)


def array_of_texts(texts: Sequence[str | None]) -> str:
    """``texts`` as PostgreSQL writes a ``text[]``. Raises ValueError for a NUL character, which it cannot hold."""
    if not texts:
        return "{}"
    if None in texts:
        return "{" + ",".join("NULL" if text is None else array_of_texts([text])[1:-1] for text in texts) + "}"
    joined = SEPARATOR.join(texts)  # type: ignore[arg-type]
    if joined.count(SEPARATOR) != len(texts) - 1:
        raise ValueError("a text with a NUL character.")
    escaped = joined.replace("\\", "\\\\").replace('"', '\\"')
    return '{"' + escaped.replace(SEPARATOR, '","') + '"}'


def array_of_integers(values: Iterable[int]) -> str:
    """``values`` as PostgreSQL writes an array of integers."""
    return "{" + ",".join(map(str, values)) + "}"
