"""The files of dumps: compressed by their names, ``-`` for the standard streams; a dump appears whole or not at all."""

from __future__ import annotations

import gzip
import io
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from typing import IO, Any

from celery_cqrs.exceptions import DumpRefused

STANDARD = "-"
GZIP_LEVEL = 3


@contextmanager
def writing(name: str, standard: Any) -> Iterator[Any]:
    """A stream whose bytes are in the file ``name`` once the block has ended well; else what was there before stays.

    ``-`` is ``standard``, a stream of texts. A pipe or a device is written to as it is. Raises DumpRefused for a
    compression that is not installed, and OSError.
    """
    if name == STANDARD:
        yield _Printed(standard)
        return
    path = Path(name)
    compress = _compressor(name)
    if path.exists() and not path.is_file():
        with path.open("wb") as plain, compress(plain) as stream:
            yield stream
        return
    part = path.with_name(f"{path.name}.{token_hex(4)}.part")
    try:
        with part.open("xb") as plain, compress(plain) as stream:
            yield stream
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def reading(name: str) -> Iterator[Source]:
    """The lines of the file ``name``. Raises DumpRefused, and OSError."""
    if name == STANDARD:
        yield Source("standard input", getattr(sys.stdin, "buffer", None) or _Encoded(sys.stdin))
        return
    path = Path(name)
    with path.open("rb") as plain, _decompressor(name)(plain) as stream:
        yield Source(name, stream, plain, path.stat().st_size if path.is_file() else None)


class Source:
    """Lines of a dump by their numbers, the first is 1; ``size`` is the bytes of its file, None where it has none."""

    LONGEST = 64 * 1024 * 1024

    def __init__(self, name: str, stream: Any, plain: Any = None, size: int | None = None) -> None:
        self.name = name
        self.size = size
        self.line_number = 0
        self._stream = stream
        self._plain = plain

    def next_line(self) -> bytes:
        """The next line with its end; empty when there are no more. Raises DumpRefused for a file that is broken."""
        try:
            line: bytes = self._stream.readline(self.LONGEST)
        except (EOFError, zlib.error, gzip.BadGzipFile, _zstandard_error()) as error:
            raise DumpRefused(problem=f"{self.place} is cut off or damaged after line {self.line_number}.") from error
        if len(line) >= self.LONGEST:
            problem = f"{self.place} is no dump: line {self.line_number + 1} has more than {self.LONGEST:,} bytes."
            raise DumpRefused(problem=problem)
        self.line_number += bool(line)
        return line

    @property
    def share(self) -> float | None:
        """How much of the file has been read, from 0 to 1; None where that cannot be known."""
        if not self.size:
            return None
        return min(1.0, float(self._plain.tell()) / self.size)

    def is_older_than(self, seconds: float) -> bool:
        """Whether the file was last written so long ago."""
        return self._plain is not None and time.time() - os.fstat(self._plain.fileno()).st_mtime > seconds

    @property
    def place(self) -> str:
        """The source as a sentence names it."""
        return f"File {self.name}" if self._plain else self.name.capitalize()


class Unpacked(io.RawIOBase):
    """What a zstd file holds. The library's own reader takes a file that is cut off for one that ends there."""

    CHUNK = 128 * 1024

    def __init__(self, plain: IO[bytes], library: Any) -> None:
        self._plain = plain
        self._library = library
        self._frame: Any = None
        self._ahead = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer``; 0 at the end. Raises EOFError when the last frame is not whole."""
        while not self._ahead:
            packed = self._plain.read(self.CHUNK)
            if not packed:
                if self._frame is not None:
                    raise EOFError
                return 0
            self._unpack(packed)
        size = min(len(buffer), len(self._ahead))
        buffer[:size], self._ahead = self._ahead[:size], self._ahead[size:]
        return size

    def _unpack(self, packed: bytes) -> None:
        while packed:
            self._frame = self._frame or self._library.ZstdDecompressor().decompressobj()
            self._ahead += self._frame.decompress(packed)
            packed = self._frame.unused_data if self._frame.eof else b""
            self._frame = None if self._frame.eof else self._frame


class _Encoded:
    """A stream of text, such as stands for standard input in a notebook or a test, as bytes."""

    def __init__(self, texts: Any) -> None:
        self._texts = texts

    def readline(self, limit: int) -> bytes:
        line: str = self._texts.readline(limit)
        return line.encode()


class _Printed:
    """Bytes to a stream of text."""

    def __init__(self, texts: Any) -> None:
        self._texts = texts

    def write(self, data: bytes) -> None:
        self._texts.write(data.decode(), ending="")


def _compressor(name: str) -> Callable[[IO[bytes]], Any]:
    match Path(name).suffix:
        case ".gz":
            return lambda plain: gzip.GzipFile("", "wb", GZIP_LEVEL, plain)
        case ".zst":
            return lambda plain: _zstandard(name).ZstdCompressor().stream_writer(plain, closefd=False)
        case _:
            return _as_it_is


def _decompressor(name: str) -> Callable[[IO[bytes]], Any]:
    match Path(name).suffix:
        case ".gz":
            return lambda plain: gzip.GzipFile(fileobj=plain)
        case ".zst":
            return lambda plain: io.BufferedReader(Unpacked(plain, _zstandard(name)))
        case _:
            return _as_it_is


@contextmanager
def _as_it_is(plain: IO[bytes]) -> Iterator[IO[bytes]]:
    yield plain


def _zstandard(name: str) -> Any:
    if find_spec("zstandard") is None:
        problem = f'{name} needs the package zstandard. Install it (pip install "celery_cqrs[zstd]"), or name it .gz.'
        raise DumpRefused(problem=problem)
    return import_module("zstandard")


def _zstandard_error() -> type[Exception]:
    """What zstandard raises; it is loaded only where it is needed."""
    error: type[Exception] = getattr(sys.modules.get("zstandard"), "ZstdError", EOFError)
    return error
