"""A TCP proxy between services and broker, to take the broker away without touching it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

CHUNK = 65536


class Proxy:
    """Forwards a local port to ``target``: ``refuse`` drops all, ``freeze`` goes silent, ``forward`` serves again.

    ``freeze_answers`` is silent one way only, and ``abandon`` lets what is open die silently.
    """

    def __init__(self, target: tuple[str, int], *, port: int = 0) -> None:
        self.target = target
        self._asking = threading.Event()  # bytes on their way to the target may move
        self._answering = threading.Event()  # and those that come from it
        self._sockets: set[socket.socket] = set()
        self._abandoned: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.port = port
        self.forward()

    def forward(self) -> None:
        """Accept connections, on the same port as before, and let bytes flow."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
            self.port = self._listener.getsockname()[1]
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        self._asking.set()
        self._answering.set()

    def freeze(self) -> None:
        """Accept, keep what is open, and move no byte: a broker that hangs."""
        self._asking.clear()
        self._answering.clear()

    def freeze_answers(self) -> None:
        """Deliver what is sent and hold back every answer: a path that is broken one way."""
        self._answering.clear()

    def abandon(self) -> None:
        """Let what is open now never move a byte again, and tell neither side; who sends once bytes flow again is cut.

        So it is with a host that has gone and come back: it does not know the connection. Later ones are served.
        """
        with self._lock:
            self._abandoned |= self._sockets

    def refuse(self) -> None:
        """Close the port and every connection: a broker that is down."""
        listener, self._listener = self._listener, None
        if listener is not None:
            _close(listener)
        self._asking.set()
        self._answering.set()
        with self._lock:
            sockets, self._sockets = self._sockets, set()
            self._abandoned.clear()
        for one in sockets:
            _close(one)

    close = refuse

    def connections(self) -> int:
        """How many are open."""
        return len(self._sockets) // 2

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._join, args=(listener, client), daemon=True).start()

    def _join(self, listener: socket.socket, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self.target, timeout=5)
        except OSError:
            _close(client)
            return
        server.settimeout(None)
        with self._lock:
            alive = self._listener is listener
            if alive:
                self._sockets |= {client, server}
        if not alive:
            _close(client)
            _close(server)
            return
        for way in ((client, server, self._asking), (server, client, self._answering)):
            threading.Thread(target=self._pump, args=way, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, flowing: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                flowing.wait()
                if source in self._abandoned:
                    break
                sink.sendall(data)
        if source in self._abandoned:
            _close(source)
            return  # the other side is not told
        with self._lock:
            self._sockets -= {source, sink}
        _close(source)
        _close(sink)


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
