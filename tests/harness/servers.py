"""Brokers of the tests' own: servers on free ports in a scratch folder, to be stopped, killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.harness.waiting import wait_until

START_SECONDS = 60
STOP_SECONDS = 30
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # Debian's own in the PATH insists on the user and on /var


class Process:
    """A command line that runs in a process group of its own, writing to a file."""

    def __init__(self, argv: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.argv = argv
        self.log = log
        self.environment = {**os.environ, **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it if it does not run."""
        if self.process is None:
            with self.log.open("ab") as output:
                self.process = subprocess.Popen(
                    self.argv,
                    cwd=self.log.parent,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def end(self, number: signal.Signals) -> None:
        """Signal the whole group and return when all of it has gone; SIGKILL helps if that takes too long."""
        process, self.process = self.process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class OwnServer:
    """A context manager; ``url`` is where it serves, also after it was started again."""

    url: str
    program: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        folder.mkdir(parents=True)

    def __enter__(self) -> OwnServer:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it unless it runs; return when it serves."""
        self.main.start()
        wait_until(self.answers, what=f"{self.program} on port {self.port}", seconds=START_SECONDS)

    def stop(self) -> None:
        """End it in peace."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        self.main.end(number)
        wait_until(lambda: not self.answers(), what=f"the end of {self.program}", seconds=STOP_SECONDS)

    @property
    def main(self) -> Process:
        """The server's process."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether somebody listens on its port."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


class OwnRedis(OwnServer):
    """Redis that keeps nothing on disk, until ``persist``; ``more`` are options of its own."""

    program = "redis-server"

    def __init__(self, folder: Path, **more: str) -> None:
        super().__init__(folder)
        self.more = more
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port, socket_timeout=30, retry=Retry(NoBackoff(), 0))
        self._main = Process(self._argv(appendonly="no"), folder / "redis.log")

    def __exit__(self, *error: object) -> None:
        self.client.close()
        super().__exit__(*error)

    @property
    def main(self) -> Process:
        return self._main

    def _argv(self, *, appendonly: str) -> list[str]:
        options = {"port": str(self.port), "bind": "127.0.0.1", "save": "", "dir": str(self.folder)}
        options |= {"appendonly": appendonly, "appendfsync": "everysec", **self.more}
        return [self.program, *(part for name, value in options.items() for part in (f"--{name}", value))]

    def persist(self, wanted: bool) -> None:
        """Write every command to the append-only file from now on, and read it at the next start; or no longer."""
        appendonly = "yes" if wanted else "no"
        self.client.config_set("appendonly", appendonly)
        self._main.argv = self._argv(appendonly=appendonly)

    def answers(self) -> bool:
        """Whether it has loaded what it has to load."""
        with suppress(redis.RedisError):
            return bool(self.client.ping())
        return False


class OwnRabbitMQ(OwnServer):
    """One RabbitMQ node without plugins, with a name daemon of its own; durable queues survive its restarts."""

    program = "rabbitmq-server"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        environment = self._environment()
        self._names = Process(["epmd", "-address", "127.0.0.1"], folder / "epmd.log", environment)
        command = str(RABBITMQ) if RABBITMQ.exists() else self.program
        self._main = Process([command], folder / "rabbitmq.log", environment)

    @property
    def main(self) -> Process:
        return self._main

    def _environment(self) -> dict[str, str]:
        for name, text in (("plugins", "[]."), ("env.conf", ""), ("rabbitmq.conf", "")):
            (self.folder / name).write_text(text)
        return {
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"faults{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
        }

    def start(self) -> None:
        """The name daemon first: one that the node starts would outlive it."""
        self._names.start()
        super().start()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._names.end(signal.SIGKILL)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def missing(server: type[OwnServer]) -> str:
    """The sentence for a program that is not installed; empty if it is."""
    found = shutil.which(server.program) or (server is OwnRabbitMQ and RABBITMQ.exists())
    return "" if found else f"{server.program} is not installed"
