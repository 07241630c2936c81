"""``python -m sample_project.play``: the three services with their admins and Flower, until Ctrl-C."""

import sys
import threading
from contextlib import suppress

from tests.harness.launch import launch
from tests.harness.report import Report
from tests.harness.sample import SERVICES, Sample

LOGIN = {
    "DJANGO_SUPERUSER_USERNAME": "admin",
    "DJANGO_SUPERUSER_PASSWORD": "admin",
    "DJANGO_SUPERUSER_EMAIL": "admin@localhost.localdomain",
}
PORTS = {"atlas": 8101, "shop": 8102, "search": 8103, "flower": 5555}


def play(sample: Sample, report: Report) -> bool:
    """Start everything, say where it is, and wait."""
    with report.step("start"):
        sample.prepare()
        sample.start("-E")
        report.tell(sample.manage("atlas", "catalogue"))
    for name in SERVICES:
        sample.manage(name, "createsuperuser", "--noinput", **LOGIN)
        report.line(f"{name:<8} {sample.serve(name, PORTS[name])}   login admin, password admin")
    report.line(f"flower   {sample.watch(PORTS['flower'])}")
    report.line(f"Change a country in atlas and look at the others. Logs: {sample.scratch}. Ctrl-C ends it.")
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    return True


if __name__ == "__main__":
    sys.exit(launch(__doc__, play))
