"""The page on comparing by hand shows commands and what they print; they are run, and print that."""

from __future__ import annotations

import re
from pathlib import Path

from tests.app.models import Author, AuthorRef
from tests.publisher.conftest import on_sqlite
from tests.publisher.processes import Service
from tests.transfer.pipes import deliver
from tests.transfer.test_pipe_processes import CQRS, shell

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "compare-by-hand.md"
MOMENT = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\+00:00"
STEPS = re.findall(r"```(sh|text)\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)


@on_sqlite
def test_the_commands_of_the_page_print_what_it_says(database: str, tmp_path: Path) -> None:
    Author.cqrs.bulk_create([Author(pk=number, name="-") for number in (1, 2, 3)])
    deliver()
    AuthorRef.objects.filter(pk=2).delete()
    Author.objects.filter(pk=3).update(cqrs_revision=4)
    AuthorRef.objects.create(pk=9, name="-", cqrs_revision=0, cqrs_updated="2026-01-02T00:00:00Z")
    service = Service(
        database,
        "memory://",
        {},
        {**CQRS, "queue": "shop", "master": {**CQRS["master"], "replicas": {"shop": "__all__"}}},
    )
    script = "".join(f"{text}echo ----\n" for kind, text in STEPS if kind == "sh")
    done = shell(service, f'cd {tmp_path}; manage.py() {{ manage "$@"; }}; {script}')
    assert done.returncode == 0, done.stderr
    printed = re.sub(MOMENT, "<moment>", done.stdout)
    assert printed == re.sub(MOMENT, "<moment>", "".join(f"{text}----\n" for kind, text in STEPS if kind == "text"))
