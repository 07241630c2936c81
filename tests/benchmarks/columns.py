"""The model of every figure, the same on both sides. It imports only Django: each side has its own packages."""

from __future__ import annotations

from django.db import models


class AccountColumns(models.Model):
    """Eight columns of the kinds that most tables have."""

    id = models.BigIntegerField(primary_key=True)
    number = models.CharField(max_length=22)
    owner = models.CharField(max_length=100)
    email = models.EmailField()
    currency = models.CharField(max_length=3)
    balance = models.DecimalField(max_digits=14, decimal_places=2)
    active = models.BooleanField()
    opened_at = models.DateTimeField()

    class Meta:
        abstract = True
