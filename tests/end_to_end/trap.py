"""Rows that kill the process that wants to write them, as a driver that crashes or a lack of memory would."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from django.apps import AppConfig

DEADLY = "deadly"


class Trap(AppConfig):
    """An app of the services under test; its trap is for shop's rows alone."""

    name = "tests.end_to_end"
    label = "trap"

    def ready(self) -> None:
        """Wait for shop's rows."""
        from django.db.models.signals import pre_save

        pre_save.connect(spring, dispatch_uid="trap")


def spring(sender: Any, instance: Any, **_: Any) -> None:
    """Note the kill, then die of it."""
    if sender._meta.app_label == "shop" and instance.title.startswith(DEADLY):
        with Path(os.environ["KILLS"]).open("a") as kills:
            kills.write(f"{instance.pk}\n")
        os.kill(os.getpid(), signal.SIGKILL)
