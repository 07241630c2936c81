"""Columns that hold the same on every database, and keys as texts that every database can hold."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.db import models

KEY_LENGTH = 255
ERROR_LENGTH = 2_000


class KeyField(models.CharField):  # type: ignore[type-arg]
    """Text that every database compares byte by byte; MariaDB's usual collations would take "a" and "A" for one key."""

    def db_parameters(self, connection: Any) -> Any:
        """As CharField, with a binary collation on MariaDB and MySQL."""
        parameters = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["type"] = f"{parameters['type']} CHARACTER SET utf8mb4"
            parameters["collation"] = key_collation(connection)
        return parameters


def key_collation(connection: Any) -> str:
    """The collation of key columns on MariaDB or MySQL."""
    return "utf8mb4_nopad_bin" if connection.mysql_is_mariadb else "utf8mb4_0900_bin"


class WideTextField(models.TextField):  # type: ignore[type-arg]
    """Text in any language, also where the database of MariaDB or MySQL knows fewer characters."""

    def db_type(self, connection: Any) -> str | None:
        """As TextField, in UTF-8 on MariaDB and MySQL."""
        declared = super().db_type(connection)
        return f"{declared} CHARACTER SET utf8mb4" if connection.vendor == "mysql" else declared


class PlainField(models.TextField):  # type: ignore[type-arg]
    """Plain values kept as JSON text in ASCII, so that every database holds every character of every other one."""

    def get_prep_value(self, value: Any) -> str | None:
        """Plain value → JSON text."""
        return encode_plain(value) if self.null else json.dumps(value, separators=(",", ":"))

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        """JSON text → plain value."""
        return None if value is None else json.loads(value)

    def to_python(self, value: Any) -> Any:
        """Plain values stay as they are."""
        return value


def encode_plain(value: Any) -> str | None:
    """JSON text of a plain value; None stays None."""
    return None if value is None else json.dumps(value, separators=(",", ":"))


def clean_key(value: Any, length: int = KEY_LENGTH) -> str:
    """A key as a text that every database can hold: no NUL, no lone surrogate, not too long."""
    text = str(value).replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
    if len(text) <= length:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[: length - 17]}…{digest}"
