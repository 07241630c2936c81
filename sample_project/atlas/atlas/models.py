"""The countries of the world and their subdivisions, as ISO 3166 has them."""

from typing import Any

from django.db import models, transaction

from celery_cqrs.mixins import MasterMixin


class Country(MasterMixin, models.Model):
    """A country. Its serializer adds the subdivisions, so one message is a whole document."""

    CQRS_ID = "country"
    CQRS_SERIALIZER = "atlas.serializers.CountrySerializer"

    alpha_2 = models.CharField(max_length=2, primary_key=True)
    alpha_3 = models.CharField(max_length=3, unique=True)
    numeric = models.CharField(max_length=3)
    name = models.CharField(max_length=100)
    official_name = models.CharField(max_length=100, blank=True)
    flag = models.CharField(max_length=20)

    class Meta:
        verbose_name_plural = "countries"

    def __str__(self) -> str:
        return f"{self.flag} {self.name}"

    @classmethod
    def relate_cqrs_serialization(cls, queryset: models.QuerySet) -> models.QuerySet:
        """Two queries for any number of countries."""
        return queryset.prefetch_related("subdivisions")


class Subdivision(MasterMixin, models.Model):
    """A state, province, parish … Whoever changes one changes its country's document: see ``save`` and ``delete``."""

    CQRS_ID = "subdivision"

    code = models.CharField(max_length=10, primary_key=True)
    name = models.CharField(max_length=100)
    type = models.CharField(max_length=60)
    country = models.ForeignKey(Country, models.CASCADE, related_name="subdivisions")
    parent = models.ForeignKey("self", models.CASCADE, null=True, blank=True, related_name="parts")

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the country in the same transaction: both changes are captured, or none."""
        with transaction.atomic():
            super().save(*args, **kwargs)
            touch(self.country_id)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """The same for a deletion."""
        with transaction.atomic():
            deleted = super().delete(*args, **kwargs)
            touch(self.country_id)
        return deleted


def touch(code: str) -> None:
    """Save a country as it stands now in the database, so that its document is sent again."""
    for country in Country.objects.select_for_update().filter(pk=code):
        country.save()
