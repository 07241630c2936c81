"""Shop's copy: plain rows under shop's own names, with foreign keys."""

from django.db import models

from celery_cqrs.mixins import ReplicaMixin


class Country(ReplicaMixin, models.Model):
    """Where shop delivers to. What CQRS_MAPPING does not name, the document's subdivisions say, is dropped."""

    CQRS_ID = "country"
    CQRS_MAPPING = {
        "alpha_2": "iso_code",
        "alpha_3": "alpha_3",
        "numeric": "number",
        "name": "title",
        "official_name": "full_title",
        "flag": "flag",
    }

    iso_code = models.CharField(max_length=2, primary_key=True)
    alpha_3 = models.CharField(max_length=3)
    number = models.CharField(max_length=3)
    title = models.CharField(max_length=100)
    full_title = models.CharField(max_length=100)
    flag = models.CharField(max_length=20)


class Subdivision(ReplicaMixin, models.Model):
    """DO_NOTHING: only the master deletes; the constraint makes a delete wait until its children are gone."""

    CQRS_ID = "subdivision"
    CQRS_MAPPING = {"code": "iso_code", "name": "title", "type": "kind", "country": "country", "parent": "part_of"}

    iso_code = models.CharField(max_length=10, primary_key=True)
    title = models.CharField(max_length=100)
    kind = models.CharField(max_length=60)
    country = models.ForeignKey(Country, models.DO_NOTHING)
    part_of = models.ForeignKey("self", models.DO_NOTHING, null=True)
