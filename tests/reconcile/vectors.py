"""Reads ``vectors.json``: what every database, and Python, must make of the same values and rows."""

from __future__ import annotations

import datetime
import json
import uuid
from pathlib import Path

from celery_cqrs.reconcile.digest import Digest
from celery_cqrs.serialize import decode_value
from tests.app.models import Author, Product, Shelf, Specimen

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))
VALUES = [(one["field"], one["value"], one["text"]) for one in VECTORS["values"]]
MODELS = {"author": Author, "product": Product, "shelf": Shelf}


def create_specimens():
    """One row for each value of the vectors; their keys in the same order."""
    rows = []
    for field, value, _ in VALUES:
        decoded = decode_value(Specimen._meta.get_field(field), value)
        rows.append(Specimen.objects.create(**{"code": uuid.uuid4(), field: decoded}).pk)
    return rows


def create_rows(model, rows):
    """Rows of ``model`` by their values as they travel, the revision among them."""
    for values in rows:
        fields = {name: model._meta.get_field(name) for name in values}
        made = model(**{fields[name].attname: decode_value(fields[name], value) for name, value in values.items()})
        made.cqrs_updated = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        model._base_manager.bulk_create([made])


def digest(parts):
    """A digest as the file has it."""
    return Digest(*parts)
