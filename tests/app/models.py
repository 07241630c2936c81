"""Masters and their replicas, one pair per shape that the tests need."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

import django
from django.db import models
from django.db.models.functions import Length

from celery_cqrs.mixins import MasterMeta, MasterMixin, RawMasterMixin, RawReplicaMixin, ReplicaMeta, ReplicaMixin
from tests.app import families, keyed, masters  # noqa: F401  Django finds all models of an app here


class Author(MasterMixin, models.Model):
    """The ordinary master."""

    CQRS_ID = "author"
    CQRS_TRACKED_FIELDS = ("name", "rival")

    name = models.CharField(max_length=50)
    born = models.DateField(null=True)
    rival = models.ForeignKey("self", models.SET_NULL, null=True)


class AuthorRef(ReplicaMixin, models.Model):
    """The ordinary replica: the same names, a foreign key to itself kept."""

    CQRS_ID = "author"

    name = models.CharField(max_length=50)
    born = models.DateField(null=True)
    rival = models.ForeignKey("self", models.DO_NOTHING, null=True)


class Product(MasterMixin, models.Model):
    """A master with a text key that the application chooses."""

    CQRS_ID = "product"
    CQRS_FIELDS = ("sku", "title", "price")

    sku = models.CharField(max_length=20, primary_key=True)
    title = models.CharField(max_length=50)
    price = models.DecimalField(max_digits=20, decimal_places=8, default=0)
    secret = models.CharField(max_length=50, default="")


class ProductRef(ReplicaMixin, models.Model):
    """Renamed by a mapping, also the key."""

    CQRS_ID = "product"
    CQRS_MAPPING: ClassVar[dict[str, str]] = {"sku": "code", "title": "name", "price": "price"}

    code = models.CharField(max_length=20, primary_key=True)
    name = models.CharField(max_length=50)
    price = models.DecimalField(max_digits=20, decimal_places=8)


class Shelf(MasterMixin, models.Model):
    """Parent of boxes, with a UUID key."""

    CQRS_ID = "shelf"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    label = models.CharField(max_length=20)


class Box(MasterMixin, models.Model):
    """Child of a shelf; a box whose label starts with "-" is not sent."""

    CQRS_ID = "box"

    shelf = models.ForeignKey(Shelf, models.CASCADE)
    label = models.CharField(max_length=20)

    def is_sync_instance(self) -> bool:
        """The filter."""
        return not self.label.startswith("-")


class ShelfRef(ReplicaMixin, models.Model):
    """Parent on the replica."""

    CQRS_ID = "shelf"

    id = models.UUIDField(primary_key=True)
    label = models.CharField(max_length=20)


class BoxRef(ReplicaMixin, models.Model):
    """Child on the replica, its foreign key kept."""

    CQRS_ID = "box"

    shelf = models.ForeignKey(ShelfRef, models.DO_NOTHING)
    label = models.CharField(max_length=20)


class Recipe(MasterMixin, models.Model):
    """Serialized by a class, with its steps; misbehaves on demand by its title."""

    CQRS_ID = "recipe"
    CQRS_SERIALIZER = "tests.app.serializers.RecipeSerializer"

    title = models.CharField(max_length=50)

    @classmethod
    def relate_cqrs_serialization(cls, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """One query for the steps of all recipes."""
        return queryset.prefetch_related("steps")

    def get_cqrs_meta(self, **kwargs: Any) -> dict[str, Any]:
        """Who and what."""
        return {"kind": str(kwargs["signal_type"])}

    def get_custom_cqrs_delete_data(self) -> dict[str, Any]:
        """Travels with a DELETE."""
        return {"title": self.title}


class Step(models.Model):
    """Part of a recipe, no master itself."""

    recipe = models.ForeignKey(Recipe, models.CASCADE, related_name="steps")
    text = models.CharField(max_length=50)


class RecipeDocument(ReplicaMixin, models.Model):
    """Custom serialization: the hooks store a document and misbehave on demand by the title."""

    CQRS_ID = "recipe"
    CQRS_CUSTOM_SERIALIZATION = True
    CQRS_META = True
    calls: ClassVar[list[tuple[Any, ...]]] = []

    document = models.JSONField()

    @classmethod
    def cqrs_create(cls, sync: bool, mapped_data: Any, previous_data: Any = None, meta: Any = None) -> Any:
        """Store the document."""
        cls.calls.append(("create", mapped_data["id"], sync, meta))
        misbehave(mapped_data["title"])
        own = {name: mapped_data[name] for name in ("id", "cqrs_revision", "cqrs_updated")}
        return cls.objects.create(document=mapped_data, **own) if mapped_data["title"] != "falsy" else None

    def cqrs_update(self, sync: bool, mapped_data: Any, previous_data: Any = None, meta: Any = None) -> Any:
        """Replace the document."""
        self.calls.append(("update", mapped_data["id"], sync, meta))
        misbehave(mapped_data["title"])
        self.document, self.cqrs_revision = mapped_data, mapped_data["cqrs_revision"]
        self.save()
        return True


def misbehave(title: str) -> None:
    """Fail as the title says."""
    if title == "explode":
        raise RuntimeError("the oven is on fire")


class Animal(RawMasterMixin):
    """Registered by hand; parent in multi-table inheritance."""

    CQRS_ID = "animal"

    name = models.CharField(max_length=20)


class Dog(Animal):
    """Child table, with an id of its own."""

    CQRS_ID = "dog"

    tricks = models.IntegerField(default=0)


class AnimalProxy(Animal):
    """Another face of the same table; travels as an animal."""

    class Meta:
        proxy = True


MasterMeta.register(Animal)
MasterMeta.register(Dog)


class AnimalRef(ReplicaMixin, models.Model):
    """Replica of the parent table."""

    CQRS_ID = "animal"

    name = models.CharField(max_length=20)


class DogRef(ReplicaMixin, models.Model):
    """Replica of the child, flat."""

    CQRS_ID = "dog"
    CQRS_MAPPING: ClassVar[dict[str, str]] = {"id": "id", "name": "name", "tricks": "tricks"}

    name = models.CharField(max_length=20)
    tricks = models.IntegerField()


class Beacon(MasterMixin, models.Model):
    """Its replica has no table."""

    CQRS_ID = "beacon"

    text = models.CharField(max_length=20)


class BeaconListener(RawReplicaMixin):
    """Hooks without a model."""

    CQRS_ID = "beacon"
    heard: ClassVar[list[tuple[str, Any]]] = []

    @classmethod
    def cqrs_save(cls, master_data: dict[str, Any], **kwargs: Any) -> bool:
        """Note a save."""
        if master_data["text"] == "explode":
            raise RuntimeError("nobody listens")
        cls.heard.append(("save", master_data["id"]))
        return True

    @classmethod
    def cqrs_delete(cls, master_data: dict[str, Any], **kwargs: Any) -> bool:
        """Note a delete."""
        cls.heard.append(("delete", master_data["id"]))
        return True


ReplicaMeta.register(BeaconListener)


class VisibleManager(models.Manager):
    """Hides what is hidden, as soft deletion does."""

    def get_queryset(self) -> models.QuerySet[Any]:
        """Only what is not hidden."""
        return super().get_queryset().filter(is_hidden=False)


class Plate(MasterMixin, models.Model):
    """Its key is a foreign key; its default manager hides rows."""

    CQRS_ID = "plate"

    shelf = models.OneToOneField(Shelf, models.CASCADE, primary_key=True)
    is_hidden = models.BooleanField(default=False)
    objects = VisibleManager()


class PlateRef(ReplicaMixin, models.Model):
    """The same, its key a plain value."""

    CQRS_ID = "plate"
    CQRS_MAPPING: ClassVar[dict[str, str]] = {"shelf": "shelf_key", "is_hidden": "is_hidden"}

    shelf_key = models.UUIDField(primary_key=True)
    is_hidden = models.BooleanField()


class SpecimenFields(models.Model):
    """A field of every kind, and a foreign key that is not to a primary key."""

    flag = models.BooleanField(null=True)
    small = models.SmallIntegerField(null=True)
    big = models.BigIntegerField(null=True)
    real = models.FloatField(null=True)
    price = models.DecimalField(max_digits=30, decimal_places=10, null=True)
    line = models.CharField(max_length=100, default="-")
    text = models.TextField(null=True)
    day = models.DateField(null=True)
    hour = models.TimeField(null=True)
    moment = models.DateTimeField(null=True)
    span = models.DurationField(null=True)
    blob = models.BinaryField(null=True)
    tree = models.JSONField(null=True)
    address = models.GenericIPAddressField(null=True)
    document = models.FileField(null=True)
    code = models.UUIDField(unique=True, default=uuid.uuid4)
    twin = models.ForeignKey("self", models.DO_NOTHING, to_field="code", null=True)

    class Meta:
        abstract = True


class Specimen(MasterMixin, SpecimenFields):
    """Master of every kind of value."""

    CQRS_ID = "specimen"


class SpecimenRef(ReplicaMixin, SpecimenFields):
    """Replica of every kind of value."""

    CQRS_ID = "specimen"


class CharterFields(models.Model):
    """A document that may not be missing, and names that statements are tempted to use themselves."""

    label = models.CharField(max_length=50, default="")
    tree = models.JSONField(default=dict)
    r = models.IntegerField(default=0)
    origin = models.GenericIPAddressField(null=True, unpack_ipv4=True)

    class Meta:
        abstract = True


class Charter(MasterMixin, CharterFields):
    """Master of documents."""

    CQRS_ID = "charter"

    class Meta:
        db_table = "c"


class CharterRef(ReplicaMixin, CharterFields):
    """Its replica, with a column that the database makes where Django knows how."""

    CQRS_ID = "charter"

    if django.VERSION >= (5, 0):
        length = models.GeneratedField(expression=Length("label"), output_field=models.IntegerField(), db_persist=True)
