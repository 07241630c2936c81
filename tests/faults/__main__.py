"""``python -m tests.faults [NAME …] [--broker redis|rabbitmq] [--mutation NAME]``: the faults, and a table of them."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults.arena import BROKERS, Arena
from tests.faults.catalogue import FAULTS, Fault
from tests.faults.mutations import MUTATIONS
from tests.faults.table import HEADER, line, summary
from tests.faults.trial import Result, Schedule, run
from tests.harness.servers import missing
from tests.services import POSTGRES

SHOWN = 10
ATTEMPTS = 3
RATES = (15, 6, 2)


def main() -> int:
    """Run what the command line asks for; 0 when nothing was lost and no save was slow."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM: everything that was started is stopped"))
    start = time.monotonic()
    brokers = options.broker or list(BROKERS)
    if complaints := [complaint for complaint in map(missing, map(BROKERS.get, brokers)) if complaint]:
        sys.exit("; ".join(complaints))
    print(HEADER, flush=True)
    results = [result for broker in brokers for result in _on_broker(broker, options)]
    print(f"\n{summary(results)}, in {(time.monotonic() - start) / 60:.1f} min", flush=True)
    return 1 if any(result.verdict != "ok" for result in results) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"parts of names; all: {', '.join(fault.name for fault in FAULTS)}")
    parser.add_argument("--broker", action="append", choices=BROKERS, help="only this one (default: both)")
    parser.add_argument("--mutation", default="", choices=["", *MUTATIONS], help="spoil the master and see losses")
    return parser.parse_args()


def _on_broker(broker: str, options: argparse.Namespace) -> Iterator[Result]:
    """All faults that are wanted; after a loss the next one gets a new arena."""
    waiting = [fault for fault in FAULTS if broker in fault.brokers and _wanted(fault, options.names)]
    while waiting:
        yield from _on_one_arena(broker, waiting, MUTATIONS.get(options.mutation, ""))


def _wanted(fault: Fault, names: list[str]) -> bool:
    return not names or any(name.lower() in fault.name.lower() for name in names)


def _on_one_arena(broker: str, waiting: list[Fault], mutation: str) -> Iterator[Result]:
    scratch = Path(tempfile.mkdtemp(prefix="cqrs-faults-"))
    lost = False
    with (
        BROKERS[broker](scratch / "server") as server,
        Arena(scratch, server=server, database_url=POSTGRES.url, mutation=mutation) as arena,
    ):
        arena.begin(*RATES)
        print(f"{broker}: two writers, {arena.rate:g} commits/s each", flush=True)
        while waiting and not lost:
            result = _attempt(arena, waiting.pop(0))
            lost = bool(result.losses)
            yield result
    if lost:
        print(f"  the logs are in {scratch}", flush=True)
    else:
        shutil.rmtree(scratch, ignore_errors=True)


def _attempt(arena: Arena, fault: Fault) -> Result:
    """A trial; one that lost nothing and was slow only is repeated, for the machine may have been busy."""
    for _ in range(ATTEMPTS):
        result = run(arena, fault, Schedule())
        print(line(result), flush=True)
        for loss in result.losses[:SHOWN]:
            print(f"  {loss}", flush=True)
        if result.losses or not result.slow:
            break
    return result


if __name__ == "__main__":
    sys.exit(main())
