"""``python -m tests.convergence [--database NAME] [--seed N] [--deliveries N] [--mutation NAME]``, and a table."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from contextlib import ExitStack

from tests.convergence.table import HEADER
from tests.services import SERVERS

SEEDS = [1, 2, 3]
DELIVERIES = 100_000
ALIASES = {"postgresql": "postgres", "mariadb": "mariadb", "sqlite": "default"}
MUTATIONS = ("no-guard", "no-lock", "no-tombstones")


def main() -> int:
    """Run what the command line asks for; 0 when every replica became what its master is, by right."""
    options = _options()
    aliases = [ALIASES[name] for name in options.database or ALIASES]
    if absent := [SERVERS[one].complaint for one in aliases if one in SERVERS and not SERVERS[one].answers]:
        sys.exit("; ".join(absent))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    print(HEADER, flush=True)
    with ExitStack() as stack:
        parts = [stack.enter_context(_part(alias, options)) for alias in aliases]
        for part in parts:
            stack.callback(part.terminate)
        return max(part.wait() for part in parts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", action="append", choices=ALIASES, help="only this one (default: all three)")
    parser.add_argument("--seed", action="append", type=int, help=f"only this one (default: {SEEDS})")
    parser.add_argument("--deliveries", type=int, default=DELIVERIES, help=f"of each run (default: {DELIVERIES:,})")
    parser.add_argument("--mutation", choices=MUTATIONS, help="spoil the replica, and see that it is found out")
    return parser.parse_args()


def _part(alias: str, options: argparse.Namespace) -> subprocess.Popen[bytes]:
    """A process for each database, which is of these runs alone."""
    command = [sys.executable, "-m", "django", "convergence", alias, f"--deliveries={options.deliveries}"]
    command += [f"--seed={seed}" for seed in options.seed or SEEDS]
    command += [f"--mutation={options.mutation}"] if options.mutation else []
    suffix = f"{os.environ.get('CQRS_TEST_SUFFIX', '')}_{os.getpid()}"
    ours = {"DJANGO_SETTINGS_MODULE": "tests.settings", "CQRS_TEST_SUFFIX": suffix}
    return subprocess.Popen(command, env={**os.environ, **ours})


if __name__ == "__main__":
    sys.exit(main())
