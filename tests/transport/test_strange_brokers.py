"""What answers at the broker's address is not what was expected: the change waits, and the process lives."""

from __future__ import annotations

import gc
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from celery import Celery

from celery_cqrs.exceptions import BrokerUnavailable
from celery_cqrs.transport.celery import CeleryTransport
from tests.transport.brokers import OLD_KOMBU
from tests.transport.conftest import parcel

MakeService = Callable[..., Celery]
NONSENSE = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
READ_ONLY = b"-READONLY You can't write against a read only replica.\r\n"


@pytest.fixture(autouse=True)
def _collect_quietly() -> Iterator[None]:
    """py-amqp leaves the socket of a handshake that failed to the garbage collector, which complains."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@contextmanager
def server_that_says(answer: bytes) -> Iterator[int]:
    """A TCP server that gives this answer to whatever it is told; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer_all, args=(listener, answer), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def answer_all(listener: socket.socket, answer: bytes) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=answer_one, args=(client, answer), daemon=True).start()


def answer_one(client: socket.socket, answer: bytes) -> None:
    with suppress(OSError), client:
        while client.recv(65536):
            client.sendall(answer)


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
@pytest.mark.parametrize("answer", [NONSENSE, b"\x00" * 64, b""], ids=["a web server", "zeros", "silence"])
def test_a_stranger_at_the_brokers_port_is_no_broker(
    configure: Callable[..., None], service: MakeService, transport: CeleryTransport, scheme: str, answer: bytes
) -> None:
    configure(master={"socket_timeout_seconds": 0.5})
    with server_that_says(answer) as port:
        service(f"{scheme}://127.0.0.1:{port}/")
        with pytest.raises(BrokerUnavailable):
            transport.send(parcel("shop"))


def test_a_redis_that_only_reads_is_no_broker(service: MakeService, transport: CeleryTransport) -> None:
    with server_that_says(READ_ONLY) as port:
        service(f"redis://127.0.0.1:{port}/0")
        with pytest.raises(BrokerUnavailable, match="read only"):
            transport.send(parcel("shop"))


@pytest.mark.parametrize("change", [{"login": "guest:wrong"}, {"path": "/no_such_host"}], ids=["password", "vhost"])
def test_a_rabbitmq_that_does_not_let_us_in_is_no_broker(
    service: MakeService, transport: CeleryTransport, rabbitmq_url: str, change: dict[str, str]
) -> None:
    parts = urlsplit(rabbitmq_url)
    login = change.get("login", parts.netloc.rpartition("@")[0])
    netloc = f"{login}@{parts.hostname}:{parts.port}"
    service(parts._replace(netloc=netloc, path=change.get("path", parts.path)).geturl())
    with pytest.raises(BrokerUnavailable) as caught:
        transport.send(parcel("shop"))
    assert "wrong" not in str(caught.value)


def test_a_name_that_nobody_resolves_is_no_broker(service: MakeService, transport: CeleryTransport) -> None:
    service("redis://127.0.0.1.nowhere.invalid:6379/0")
    with pytest.raises(BrokerUnavailable):
        transport.send(parcel("shop"))


@pytest.mark.skipif(OLD_KOMBU, reason="this kombu hides what is wrong with a folder")
def test_a_folder_that_cannot_be_written_is_no_broker(
    service: MakeService, transport: CeleryTransport, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    folder = str(tmp_path / "file" / "broker")
    places = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": folder}
    service("filesystem://", broker_transport_options=places)
    with pytest.raises(BrokerUnavailable):
        transport.send(parcel("shop"))
