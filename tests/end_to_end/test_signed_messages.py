"""Services that sign: their own messages do what they always do, those of others do nothing and stop nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.end_to_end.conftest import SEED, redis_url
from tests.end_to_end.signing import Signer, body_of, send_body, unsigned
from tests.end_to_end.system import SECONDS, System
from tests.end_to_end.test_bad_messages import APPLY, batch, forget_neighbour, truth
from tests.end_to_end.test_publishers_killed import BEFORE_OURS, KILLED
from tests.harness.sample import SERVICES
from tests.needs import require
from tests.services import POSTGRES

pytestmark = [pytest.mark.servers("redis", "postgres"), pytest.mark.timeout(300)]
CONFIRM = "celery_cqrs.confirm"
IS_THERE = "SELECT 1 FROM shop_country WHERE iso_code = 'DE'"


class SigningSystem(System):
    """What the tests send is signed, or nobody would do it."""

    signer: Signer

    def send(self, queue: str, task: str, payload: Any) -> str:
        """As any system's, signed by a service."""
        return send_body(self.broker.url, queue, task, *signed(self.signer, payload))


@pytest.fixture(scope="module")
def signers() -> dict[str, Signer]:
    """The three services, and a stranger whom nobody trusts."""
    return {name: Signer.make(name) for name in (*SERVICES, "stranger")}


@pytest.fixture(scope="module")
def signing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, signers: dict[str, Signer]
) -> Iterator[System]:
    """Three services that sign, and a few rows."""
    require(POSTGRES)
    scratch = tmp_path_factory.mktemp("signing")
    for name in SERVICES:
        signers[name].write(scratch, name)
    with SigningSystem(scratch, broker_url=redis_url(request, beside=2), database_url=POSTGRES.url) as system:
        system.signer = signers["atlas"]
        system.environment |= {
            "DJANGO_SETTINGS_MODULE": "tests.end_to_end.signing_settings",
            "KEYS": str(scratch),
        }
        system.prepare()
        system.start("--without-heartbeat")
        system.run_code(SEED)
        system.converge()
        yield system


def signed(signer: Signer, payload: Any) -> tuple[str, str]:
    return signer.sign(body_of(payload)), "application/data"


def changed_on_its_way(signer: Signer, payload: Any) -> tuple[str, str]:
    body, content_type = signed(signer, payload)
    half = len(body) // 2
    return body[:half] + ("A" if body[half] != "A" else "B") + body[half + 1 :], content_type


FORGERIES: dict[str, tuple[Callable[[dict[str, Signer], Any], tuple[str, str]], str]] = {
    "unsigned": (lambda signers, payload: unsigned(payload), "Refusing to deserialize untrusted content of type json"),
    "signed by a stranger": (lambda signers, payload: signed(signers["stranger"], payload), "Unknown certificate"),
    "changed on its way": (
        lambda signers, payload: changed_on_its_way(signers["atlas"], payload),
        "Can't decode message body",
    ),
}
"""Each with what Celery says when it refuses it."""


def send_forged(system: System, signers: dict[str, Signer], forgery: str, queue: str, task: str, payload: Any) -> None:
    """Put a forged task into the queue; return when its worker has refused it."""
    make, refusal = FORGERIES[forgery]
    system.log(queue).mark()
    send_body(system.broker.url, queue, task, *make(signers, payload))
    system.log(queue).wait(refusal, seconds=SECONDS)


def test_changes_and_confirmations_travel_signed(signing: System) -> None:
    signing.log("shop").mark()
    signing.manage("atlas", "story", "one")
    signing.log("shop").wait("applied 1 country", seconds=SECONDS)
    signing.converge()


def test_what_beat_sends_is_signed_and_done(signing: System) -> None:
    with signing.without_beat("atlas"):
        signing.run_code(BEFORE_OURS, ends_with=KILLED)
        assert len(signing.outbox("sent_at IS NULL AND attempts = 0")) == 2
    signing.wait_for("search", "SELECT 1 FROM search_countrydocument WHERE title LIKE '%Died before our hook'")
    signing.converge()


def test_the_wake_up_of_a_retry_is_signed_and_heard(signing: System) -> None:
    with signing.without_beat("shop"):
        signing.execute("shop", "ALTER TABLE shop_country ADD CONSTRAINT not_now CHECK (title <> 'Not now')")
        signing.log("shop").mark()
        signing.run_code('country("AE", "Not now").save()')
        signing.log("shop").wait(r"retrying country AE", seconds=SECONDS)
        signing.execute("shop", "ALTER TABLE shop_country DROP CONSTRAINT not_now")
        signing.log("shop").wait(r"Task celery_cqrs\.retry\[\S+\] succeeded", seconds=SECONDS)
    signing.converge()


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_change_applies_nothing_and_stops_nobody(
    signing: System, signers: dict[str, Signer], forgery: str
) -> None:
    with signing.without_beat("shop", "atlas"):
        pid, payload = signing.pid("shop"), batch(truth(signing))
        forget_neighbour(signing)
        send_forged(signing, signers, forgery, "shop", APPLY, payload)
        signing.run_code('Country.objects.get(pk="FR").save()')
        signing.log("shop").wait("applied 1 country", seconds=SECONDS)
        assert (signing.rows("shop", IS_THERE), signing.letters_of("shop")) == ([], [])
        assert signing.pid("shop") == pid
    signing.run_code('Country.objects.get(pk="DE").save(); Subdivision.objects.get(pk="DE-1").save()')
    signing.converge()


def test_the_same_change_signed_by_its_master_is_applied(signing: System, signers: dict[str, Signer]) -> None:
    with signing.without_beat("shop", "atlas"):
        payload = batch(truth(signing))
        forget_neighbour(signing)
        send_body(signing.broker.url, "shop", APPLY, *signed(signers["atlas"], payload))
        signing.wait_for("shop", IS_THERE)
    signing.run_code('Subdivision.objects.get(pk="DE-1").save()')
    signing.converge()


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_confirmation_takes_nothing_from_the_outbox(
    signing: System, signers: dict[str, Signer], forgery: str
) -> None:
    with signing.occupied("shop"):
        [(row_id,)] = signing.rows("atlas", "SELECT id FROM celery_cqrs_outbox WHERE queue = 'shop'")
        receipt = {"outbox": "default", "sent_at": datetime.now(UTC).isoformat(), "outbox_ids": [row_id]}
        payload = {"v": 1, "queue": "shop", "batches": [receipt]}
        send_forged(signing, signers, forgery, "atlas", CONFIRM, payload)
        signing.log("atlas").wait(r"Task celery_cqrs\.drain\[\S+\] succeeded", seconds=SECONDS)
        assert signing.rows("atlas", "SELECT id FROM celery_cqrs_outbox WHERE queue = 'shop'") == [(row_id,)]
    signing.converge()
