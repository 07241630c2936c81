"""From a command line to a running sample and back: options, scratch folder, signals, and no traces."""

from __future__ import annotations

import argparse
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.report import Report
from tests.harness.sample import Sample

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130


def launch(description: str, story: Callable[[Sample, Report], bool]) -> int:
    """Run ``story``; the exit code: 0 if it returned True, 130 after Ctrl-C, else 1, and then the logs are kept."""
    options = _options(description)
    report, code = Report(), 1
    scratch = Path(tempfile.mkdtemp(prefix="cqrs-sample-"))
    _on_signals(_interrupt)
    try:
        with Sample(scratch, broker_url=options.broker, database_url=options.database) as sample, _undisturbed():
            code = 0 if story(sample, report) else 1
    except KeyboardInterrupt:
        code = INTERRUPTED
        report.line("interrupted: everything that was started is stopped")
    except Exception as error:
        report.line(f"FAILED: {error}")
    if code == 1 or options.keep:
        report.line(f"the logs are in {scratch}")
    else:
        shutil.rmtree(scratch, ignore_errors=True)
    return code


def _options(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--broker", default="", metavar="URL", help="redis://… or amqp://… (default: a folder)")
    parser.add_argument(
        "--database", default="", metavar="URL", help="postgres://user@host/maintenance (default: files)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the logs when all went well")
    return parser.parse_args()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """When this block ends, what follows is tidying up and may not be interrupted."""
    try:
        yield
    finally:
        _on_signals(signal.SIG_IGN)


def _interrupt(number: int, frame: object) -> None:
    _on_signals(signal.SIG_IGN)
    raise KeyboardInterrupt


def _on_signals(handler: Callable[[int, object], None] | signal.Handlers) -> None:
    for one in ENDING:
        signal.signal(one, handler)
