"""``python -m tests.benchmarks [FIGURE …] [--broker NAME] [--turns N] [--share S]``: a table and build/bench.json."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.arena import Arena, arena
from tests.benchmarks.environment import about, their_python
from tests.benchmarks.figures import BROKERS, FIGURES, Figure
from tests.benchmarks.processes import ROOT, CommandFailed
from tests.benchmarks.result import HEADER, Result, row, write
from tests.benchmarks.turns import take_turns
from tests.benchmarks.watch import RunInvalid
from tests.services import POSTGRES, RABBITMQ, REDIS

TURNS = 3
LEAST_ROWS = 1_000
BUSY = 1.5 * (os.cpu_count() or 1)
"""One process applies, the database works for it, and the brokers and this program take a little."""


def main() -> int:
    """Measure what the command line asks for; 0 when every run was valid."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM: everything that was started is stopped"))
    if complaints := [server.complaint for server in (POSTGRES, REDIS, RABBITMQ) if not server.answers]:
        sys.exit("; ".join(complaints))
    try:
        _say("the environment of django-cqrs …")
        their_python()
    except CommandFailed as error:
        sys.exit(f"django-cqrs cannot be installed: {error}")
    results = _measure_all(options)
    print("\n" + "\n".join([row(*HEADER), *(result.line for result in results)]))
    if any(result.turns and max(result.turns.loads) > BUSY for result in results):
        print(f"\nThe machine was busy (load above {BUSY:g}): compare the processor times, and measure again.")
    print(f"\n{options.output}", flush=True)
    return 1 if any(result.turns is None for result in results) else 0


def _measure_all(options: argparse.Namespace) -> list[Result]:
    """Figure by figure, each written down as soon as it is known."""
    start, results, facts = time.monotonic(), [], about()
    for broker in options.broker or BROKERS:
        for result in _on_broker(broker, options):
            results.append(result)
            minutes = round((time.monotonic() - start) / 60, 1)
            settings = {"turns": options.turns, "share": options.share, "minutes": minutes}
            write(options.output, results, {**facts, "settings": settings})
    return results


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", nargs="*", choices=[[], *_names()], help="all of them when left out")
    parser.add_argument("--broker", action="append", choices=BROKERS, help="only this one (default: both)")
    parser.add_argument("--turns", type=int, default=TURNS, help="how often each side has its turn (default: 3)")
    parser.add_argument("--share", type=float, default=1.0, help="of the rows; small shares say nothing about speed")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench.json")
    return parser.parse_args()


def _names() -> list[str]:
    return [figure.name for figure in FIGURES]


def _on_broker(broker: str, options: argparse.Namespace) -> Iterator[Result]:
    wanted = [figure for figure in FIGURES if figure.name in (options.figures or _names()) and broker in figure.brokers]
    if wanted:
        with arena(broker) as place:
            for figure in wanted:
                yield _measured(figure, place, broker, options)


def _measured(figure: Figure, place: Arena, broker: str, options: argparse.Namespace) -> Result:
    """A run that is invalid ends its figure, and no other."""
    name = f"{figure.name}_{broker}" if len(figure.brokers) > 1 else figure.name
    rows = {side: max(LEAST_ROWS, int(count * options.share)) for side, count in figure.rows.items()}
    try:
        turns = min(options.turns, figure.turns)
        taken = take_turns(figure.measures(place, rows), turns, lambda text: _say(f"{name}: {text}"))
    except (RunInvalid, CommandFailed) as error:
        _say(f"{name}: INVALID: {error}")
        return Result(figure, name, rows, None, str(error))
    return Result(figure, name, rows, taken)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
