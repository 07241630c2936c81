"""Refuses ``celery_cqrs.dj_cqrs`` as an app."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig

from celery_cqrs.exceptions import SettingRefused


class NotAnApp(AppConfig):
    """Only import paths live here."""

    name = "celery_cqrs.dj_cqrs"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        problem = (
            'put "celery_cqrs" into INSTALLED_APPS instead of "celery_cqrs.dj_cqrs", which only holds import paths.'
        )
        raise SettingRefused(path="INSTALLED_APPS", problem=problem)
