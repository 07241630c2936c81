"""Databases quote the values that they refuse; what is logged of their errors does not."""

from __future__ import annotations

import logging
from uuid import UUID

import pytest
from django.utils import timezone

from celery_cqrs import testing
from tests.app.models import Specimen, SpecimenRef

CODE = UUID("12345678-1234-4234-9234-123456789abc")


def test_no_value_is_logged_when_it_is_taken(database: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "celery_cqrs")
    SpecimenRef.objects.create(pk=999, code=CODE, cqrs_revision=0, cqrs_updated=timezone.now())
    specimen = Specimen.objects.create(code=CODE)
    testing.deliver()
    lines = "\n".join(record.getMessage() for record in caplog.records if record.name == "celery_cqrs")
    assert f"retrying specimen {specimen.pk} revision 0" in lines
    assert str(CODE) not in lines and CODE.hex not in lines
