"""Search's copy: a document per country, stored by hooks of its own."""

from typing import Any

from django.db import models

from celery_cqrs.mixins import ReplicaMixin


class CountryDocument(ReplicaMixin, models.Model):
    """The country as it arrived, with its subdivisions inside."""

    CQRS_ID = "country"
    CQRS_CUSTOM_SERIALIZATION = True

    alpha_2 = models.CharField(max_length=2, primary_key=True)
    title = models.CharField(max_length=100)
    document = models.JSONField()

    @classmethod
    def cqrs_create(cls, sync: bool, mapped_data: dict[str, Any], **kwargs: Any) -> "CountryDocument":
        """A country that search has not seen yet."""
        return cls.objects.create(**columns(mapped_data))

    def cqrs_update(self, sync: bool, mapped_data: dict[str, Any], **kwargs: Any) -> "CountryDocument":
        """A country that search knows already."""
        for name, value in columns(mapped_data).items():
            setattr(self, name, value)
        self.save()
        return self


def columns(data: dict[str, Any]) -> dict[str, Any]:
    """What the message means in terms of this table."""
    guard = {name: data[name] for name in ("cqrs_revision", "cqrs_updated")}
    document = {name: value for name, value in data.items() if name not in guard}
    return {"alpha_2": data["alpha_2"], "title": f"{data['flag']} {data['name']}", "document": document, **guard}
