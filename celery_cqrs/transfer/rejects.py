"""The reject file: the lines that could not be loaded, as they came, under their CQRS_ID; a dump that can be mended."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from celery_cqrs.exceptions import DumpRefused
from celery_cqrs.transfer.lines import Line


class Rejects:
    """Made with the first rejected line. ``append``: a run that is resumed adds to what the earlier one rejected."""

    def __init__(self, path: Path, cqrs_id: str, *, append: bool = False) -> None:
        self.path = path
        self.count = 0
        self._first = f"{cqrs_id}\n".encode()
        self._append = append
        self._stream: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with suppress(OSError):  # what cannot be written has been said
            if self._stream is not None:
                self._stream.close()

    def keep(self, lines: list[Line]) -> None:
        """Write ``lines`` down at once. Raises DumpRefused where that cannot be done."""
        if not lines:
            return
        try:
            stream = self._stream = self._stream or self._open()
            stream.writelines(line.raw.rstrip(b"\r\n") + b"\n" for line in lines)
            stream.flush()
        except OSError as error:
            problem = f"the reject file {self.path} cannot be written: {error.strerror}. Say --rejects PATH."
            raise DumpRefused(problem=problem) from error
        self.count += len(lines)

    def _open(self) -> IO[bytes]:
        is_new = not (self._append and self.path.exists())
        stream = self.path.open("wb" if is_new else "ab")
        if is_new:
            stream.write(self._first)
        return stream
