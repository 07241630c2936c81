"""Replica models with hooks of their own, as proxies of AuthorRef: they need no tables."""

from __future__ import annotations

from typing import Any, ClassVar

from celery_cqrs.mixins import ReplicaMixin
from tests.app.models import AuthorRef, DogRef, ProductRef


class Recorder:
    """Notes the calls of hooks; the name of an author says what the hook is to do."""

    calls: ClassVar[list[tuple[Any, ...]]] = []

    @classmethod
    def note(cls, *call: Any) -> Any:
        """Note ``call``; returns whether the hook is to go on."""
        cls.calls.append(call)
        name = call[1]
        if name == "explode":
            raise RuntimeError("a hook is on fire")
        return name not in FALSY


FALSY = {"nothing": None, "false": False, "nought": 0, "empty": "", "list": []}


class Watched(AuthorRef):
    """Overrides create and update, which call the originals."""

    CQRS_ID = "watched"
    CQRS_META = True

    class Meta:
        proxy = True
        app_label = "app"

    @classmethod
    def cqrs_create(cls, sync: bool, mapped_data: Any, previous_data: Any = None, meta: Any = None) -> Any:
        name = mapped_data["name"]
        goes_on = Recorder.note("create", name, sync, dict(mapped_data), previous_data, meta)
        return super().cqrs_create(sync, mapped_data, previous_data) if goes_on else FALSY[name]

    def cqrs_update(self, sync: bool, mapped_data: Any, previous_data: Any = None, meta: Any = None) -> Any:
        name = mapped_data["name"]
        goes_on = Recorder.note("update", name, sync, dict(mapped_data), previous_data, meta)
        return super().cqrs_update(sync, mapped_data, previous_data) if goes_on else FALSY[name]


class Outermost(AuthorRef):
    """Overrides save and delete, with the originals behind them."""

    CQRS_ID = "outermost"
    CQRS_META = True

    class Meta:
        proxy = True
        app_label = "app"

    @classmethod
    def cqrs_save(cls, master_data: Any, previous_data: Any = None, sync: bool = False, meta: Any = None) -> Any:
        goes_on = Recorder.note("save", master_data["name"], sync, dict(master_data), previous_data, meta)
        return goes_on and super().cqrs_save(master_data, previous_data, sync, meta)

    @classmethod
    def cqrs_delete(cls, master_data: Any, meta: Any = None) -> Any:
        custom = master_data.get("custom") or {}
        goes_on = Recorder.note("delete", custom.get("name"), False, dict(master_data), None, meta)
        return goes_on and super().cqrs_delete(master_data, meta)


class Careful(AuthorRef):
    """Looks at author 600 before it creates a row, and waits for whoever works on that one."""

    CQRS_ID = "careful"

    class Meta:
        proxy = True
        app_label = "app"

    @classmethod
    def cqrs_create(cls, sync: bool, mapped_data: Any, previous_data: Any = None, meta: Any = None) -> Any:
        AuthorRef.objects.select_for_update().get(pk=600)
        return super().cqrs_create(sync, mapped_data, previous_data)


class Elsewhere(AuthorRef):
    """Stores nothing itself: its save keeps the row of another key beside."""

    CQRS_ID = "elsewhere"

    class Meta:
        proxy = True
        app_label = "app"

    @classmethod
    def cqrs_save(cls, master_data: Any, previous_data: Any = None, sync: bool = False) -> Any:
        AuthorRef.objects.update_or_create(
            id=master_data["id"] + 1_000,
            defaults={"name": "beside", "cqrs_revision": 0, "cqrs_updated": master_data["cqrs_updated"]},
        )
        Recorder.note("save", master_data["name"])
        return True


class DirectOnly(AuthorRef):
    """Takes a SYNC only when it was sent to this queue."""

    CQRS_ID = "direct"
    CQRS_ONLY_DIRECT_SYNCS = True

    class Meta:
        proxy = True
        app_label = "app"


class Unstored(AuthorRef):
    """A model whose hooks do everything: the package touches no table for it."""

    CQRS_ID = "unstored"
    CQRS_NO_DB_OPERATIONS = True

    class Meta:
        proxy = True
        app_label = "app"

    @classmethod
    def cqrs_save(cls, master_data: Any, **kwargs: Any) -> Any:
        return Recorder.note("save", master_data["name"], kwargs)


class Renamed(DogRef):
    """Maps only some names, to others; a foreign key is not among them."""

    CQRS_ID = "renamed"
    CQRS_MAPPING: ClassVar[dict[str, str]] = {"number": "id", "called": "name", "skill": "tricks"}

    class Meta:
        proxy = True
        app_label = "app"


class ByAttribute(AuthorRef):
    """Maps a foreign key by the name of its column."""

    CQRS_ID = "by_attribute"
    CQRS_MAPPING: ClassVar[dict[str, str]] = {"id": "id", "name": "name", "enemy": "rival_id"}

    class Meta:
        proxy = True
        app_label = "app"


class AsItCame(ProductRef):
    """Renamed by its mapping, and otherwise given to the hooks as it came."""

    CQRS_ID = "as_it_came"
    CQRS_CUSTOM_SERIALIZATION = True
    CQRS_MAPPING: ClassVar[dict[str, str]] = {"sku": "code", "price": "price"}

    class Meta:
        proxy = True
        app_label = "app"


ReplicaModel = type[ReplicaMixin]
