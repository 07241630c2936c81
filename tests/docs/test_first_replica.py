"""The tutorial, followed to the letter: files are written, commands run, workers work, and the output is as shown."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.waiting import wait_until

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "first-replica.md"
BLOCKS = re.findall(r"^```(\S+) ?(.*)\n((?:.*\n)*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
SECONDS = 60


class Reader:
    """Somebody who does what the page says, in ``folder``."""

    def __init__(self, folder: Path, broker_url: str) -> None:
        self.folder = folder
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        without = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
        self.environment = {**without, "PATH": programs, "BROKER_URL": broker_url, "PYTHONIOENCODING": "utf-8"}

    def write(self, path: str, text: str) -> None:
        """Settings are added to, other files are written anew."""
        file = self.folder / path
        before = file.read_text(encoding="utf-8") if file.name == "settings.py" else ""
        file.write_text(f"{before}\n{text}", encoding="utf-8")

    def run(self, script: str) -> str:
        """Run commands to their end; returns what they print."""
        command = ["bash", "-e", "-c", script]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def see(self, script: str, shown: str) -> None:
        """Run it again and again until it prints what is shown: a change needs a moment to travel."""
        wait_until(lambda: self.run(script).endswith(shown), what=shown, seconds=SECONDS)

    def start(self, name: str, script: str) -> None:
        """Start a worker, and wait until it is ready."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            self.workers[name] = subprocess.Popen(
                ["bash", "-c", f"exec {script}"], cwd=self.folder, env=self.environment, stdout=output, stderr=output
            )
        wait_until(lambda: " ready." in log.read_text(), what=f"the worker of {name}", seconds=SECONDS)

    def stop(self, name: str) -> None:
        """Press Ctrl-C."""
        worker = self.workers.pop(name)
        worker.send_signal(signal.SIGINT)
        worker.wait(SECONDS)


@pytest.fixture
def reader(tmp_path: Path, redis_url: str) -> Iterator[Reader]:
    made = Reader(tmp_path, redis_url)
    yield made
    for name in list(made.workers):
        made.stop(name)


@pytest.mark.timeout(300)  # a dozen processes, one after the other
def test_the_tutorial_can_be_followed_to_the_letter(reader: Reader) -> None:
    for (kind, note, text), (after, _, shown) in zip(BLOCKS, [*BLOCKS[1:], ("", "", "")], strict=True):
        match kind, note.split():
            case "python", [path]:
                reader.write(path, text)
            case "sh", ["worker", name]:
                reader.start(name, text)
            case "sh", ["stop", name]:
                reader.stop(name)
            case "sh", [] if after == "text":
                change, _, look = text.rpartition("python ")
                reader.run(change)
                reader.see(f"python {look}", shown)
            case "sh", []:
                reader.run(text)
