"""``python -m sample_project.demo``: real data on its way from one service to two others, whatever goes wrong."""

import re
import sys

from tests.harness.launch import launch
from tests.harness.report import Report
from tests.harness.sample import READY, REPLICAS, Sample
from tests.harness.waiting import wait_until

SHOWN = 10


class Story:
    """Each step changes atlas, breaks something, and waits until both replicas have everything."""

    def __init__(self, sample: Sample, report: Report) -> None:
        self.sample = sample
        self.report = report
        self.undone = 0

    def tell(self) -> bool:
        """All steps in order; whether the replicas are equal in the end."""
        self.report.line(f"atlas → shop, search on {self.sample.place}: a story of about a minute")
        for title, step in (
            ("start", self.start),
            ("bulk load", self.load),
            ("row by row", self.change),
            ("worker killed", self.kill),
            ("broker away", self.lose_broker),
            ("key re-created", self.recreate),
            ("broker emptied", self.empty_broker),
        ):
            with self.report.step(title):
                step()
        return self.compare()

    def start(self) -> None:
        """Databases, then a worker and a beat for each service."""
        self.sample.prepare()
        self.report.progress("three databases migrated; starting workers")
        self.sample.start("--without-heartbeat")
        self.report.tell("3 services, each with a database, a worker and a beat")

    def load(self) -> None:
        """The whole catalogue in one transaction."""
        self.report.tell(self.sample.manage("atlas", "catalogue"))
        self.settle()

    def change(self) -> None:
        """Saves, updates, deletes and rollbacks."""
        text = self.sample.manage("atlas", "story", "singles")
        self.undone = int(re.findall(r"(\d+) changes rolled back", text)[0])
        self.report.tell(text)
        self.settle()

    def kill(self) -> None:
        """SIGKILL for a worker that has received a message and waits for its database."""
        with self.sample.occupied("shop"):
            held_keys = [f"{cqrs_id} {pk}" for _, cqrs_id, pk in self.sample.outbox("queue = 'shop'")]
            self.sample.kill_worker("shop")
        self.report.tell(f"SIGKILL to shop's worker with {', '.join(held_keys)} in its hands")
        self.report.progress("waiting for the supervisor to restart the worker")
        self.sample.log("shop").wait(READY, seconds=60)
        self.settle()

    def lose_broker(self) -> None:
        """Commits go on while nobody reaches the broker."""
        deaths = self.sample.supervisor.deaths()
        self.sample.broker.take_away()
        self.report.progress(f"{self.sample.broker.away}; changes go on")
        text = self.sample.manage("atlas", "story", "many")
        self.report.tell(f"{self.sample.broker.away}; {text}; {len(self.sample.outbox())} changes wait in the outbox")
        if died := self.sample.supervisor.deaths() - deaths:
            self.report.tell(f"{died} processes died of it and are started again")
        self.sample.broker.give_back()
        self.settle()

    def recreate(self) -> None:
        """The second life of a key begins where the first has ended."""
        self.report.tell(self.sample.manage("atlas", "story", "again"))
        self.settle()

    def empty_broker(self) -> None:
        """Both workers are busy, so the messages wait in the broker; then there are none."""
        with self.sample.occupied(*REPLICAS):
            self.sample.manage("atlas", "story", "many")
            wait_until(lambda: not self.sample.outbox("sent_at IS NULL"), what="all changes to be sent", seconds=20)
            changes, messages = len(self.sample.outbox()), self.sample.broker.delete_everything()
        self.report.tell(f"{messages} waiting tasks deleted, {changes} changes unconfirmed")
        self.settle()

    def settle(self) -> None:
        """Wait for the replicas."""
        self.report.tell(f"settled after {self.sample.settle(seconds=60, progress=self.report.progress):.1f} s")

    def compare(self) -> bool:
        """The verdict and the figures."""
        count, lines = self.sample.compare()
        total = self.sample.total
        captured, delivered = total(r"captured ([\d,]+) ") - self.undone, total(r"applied ([\d,]+) ")
        resent = total(r"resending ([\d,]+) changes") + total(r"probing \w+ with ([\d,]+) changes")
        duplicates = self.sample.count(r"skipped .*: (duplicate|wrong order|deleted)")
        self.report.line(
            f"{captured:,} changes captured, {delivered:,} deliveries to two replicas, "
            f"{duplicates:,} duplicates, {resent:,} changes sent again"
        )
        verdict = f"{len(lines):,} DIFFERENCES" if lines else "equal, column by column"
        self.report.line(f"{count:,} rows compared by plain SQL: {verdict}")
        for line in lines[:SHOWN]:
            self.report.line(f"  {line}")
        return not lines


if __name__ == "__main__":
    sys.exit(launch(__doc__, lambda sample, report: Story(sample, report).tell()))
