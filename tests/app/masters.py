"""Masters as projects bring them along from django-cqrs: with other metaclasses, relations of every kind, DRF."""

from __future__ import annotations

import datetime
import json
from typing import Any

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models
from mptt.models import MPTTModel, TreeForeignKey

from celery_cqrs.mixins import MasterMeta, MasterMixin, RawMasterMixin, ReplicaMixin


class Money:
    """A value that only its own encoder can put into JSON."""

    def __init__(self, cents: int) -> None:
        self.cents = cents


class MoneyEncoder(json.JSONEncoder):
    """Writes money as its cents."""

    def default(self, value: Any) -> Any:
        """Cents, or the error of JSON."""
        return value.cents if isinstance(value, Money) else super().default(value)


class Tag(models.Model):
    """No master."""

    word = models.CharField(max_length=20)


class Remark(MasterMixin, models.Model):
    """Tracks all its fields, among relations that are no columns."""

    CQRS_ID = "remark"
    CQRS_TRACKED_FIELDS = "__all__"

    text = models.CharField(max_length=50, default="")
    rank = models.IntegerField(default=0)
    said_at = models.DateTimeField(null=True)
    touched_at = models.DateTimeField(auto_now=True)
    prices = models.JSONField(default=dict, encoder=MoneyEncoder)
    answers = models.ForeignKey("self", models.CASCADE, null=True)
    content_type = models.ForeignKey(ContentType, models.CASCADE, null=True, db_constraint=False)
    object_id = models.PositiveIntegerField(null=True)
    subject = GenericForeignKey()
    remarks = GenericRelation("self")
    tags = models.ManyToManyField(Tag)


class Account(MasterMixin, models.Model):
    """Serialized by Django REST framework."""

    CQRS_ID = "account"
    CQRS_TRACKED_FIELDS = ("portrait",)
    CQRS_SERIALIZER = "tests.app.rest.AccountSerializer"

    name = models.CharField(max_length=20)
    opened = models.DateField(default=datetime.date(2026, 1, 2))
    balance = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    partner = models.ForeignKey("self", models.SET_NULL, null=True)
    portrait = models.FileField(null=True)


class Category(MPTTModel, RawMasterMixin):
    """A tree of django-mptt, whose metaclass is not ours."""

    CQRS_ID = "category"

    name = models.CharField(max_length=20)
    parent = TreeForeignKey("self", models.CASCADE, null=True)


MasterMeta.register(Category)


class CategoryRef(ReplicaMixin, models.Model):
    """The tree as rows with a parent."""

    CQRS_ID = "category"

    name = models.CharField(max_length=20)
    parent = models.ForeignKey("self", models.DO_NOTHING, null=True, db_constraint=False)


class Named(RawMasterMixin):
    """One side of a diamond."""

    name = models.CharField(max_length=20)

    class Meta:
        abstract = True


class Priced(RawMasterMixin):
    """The other side."""

    price = models.IntegerField(default=0)

    class Meta:
        abstract = True


class Diamond(Named, Priced):
    """Inherits the mixin on two ways, and its columns once."""

    CQRS_ID = "diamond"


MasterMeta.register(Diamond)


class Club(MasterMixin, models.Model):
    """Parent of a table that filters by itself."""

    CQRS_ID = "club"
    CQRS_TRACKED_FIELDS = ("name",)

    name = models.CharField(max_length=20)


class SecretClub(Club):
    """Child of a table that filters by itself: only its own part is secret."""

    CQRS_ID = "secret club"
    CQRS_TRACKED_FIELDS = ("name", "password")

    password = models.CharField(max_length=20, default="")

    def is_sync_instance(self) -> bool:
        """Never, while there is a password."""
        return not self.password
