"""Hooks that a project might have, the same on both sides."""

from __future__ import annotations

from typing import Any


class Hooks:
    """Stands before a ReplicaMixin: every row passes through here."""

    @classmethod
    def cqrs_create(cls, sync: bool, mapped_data: dict[str, Any], previous_data: Any = None, meta: Any = None) -> Any:
        """Create with a name that suits this service."""
        return super().cqrs_create(sync, cls._suited(mapped_data), previous_data=previous_data)

    def cqrs_update(self, sync: bool, mapped_data: dict[str, Any], previous_data: Any = None, meta: Any = None) -> Any:
        """Update likewise."""
        return super().cqrs_update(sync, self._suited(mapped_data), previous_data=previous_data)

    @staticmethod
    def _suited(mapped_data: dict[str, Any]) -> dict[str, Any]:
        return {**mapped_data, "owner": mapped_data["owner"].upper()}
