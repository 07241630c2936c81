"""Processes of the master that end, or are killed, at the worst moment: what they committed arrives."""

from __future__ import annotations

import signal

import pytest

from tests.end_to_end.system import SECONDS, System
from tests.harness.proxy import Proxy

KILLED = -signal.SIGKILL
BEFORE_OURS = """
with transaction.atomic():
    transaction.on_commit(die)
    country("AA", "Died before our hook").save()
"""
DEATHS = {
    "in a hook after ours": """
with transaction.atomic():
    country("AA", "Died at {moment}").save()
    transaction.on_commit(die)
""",
    "when save has returned": """
country("AA", "Died at {moment}").save()
die()
""",
}
SAVE_AND_WAIT = """
country("AB", "Claimed").save()
signal.pause()
"""
PATIENT = {"socket_timeout_seconds": 2 * SECONDS}


def test_a_command_that_saves_one_row_and_exits_has_it_delivered_by_itself(system: System) -> None:
    with system.without_beat("atlas"):
        system.manage("atlas", "story", "one", EXITS_AS_USUAL="yes")
        seconds = system.wait_equal()
    print(f"delivered to both replicas {seconds:.2f} s after the command had ended")
    system.converge()


@pytest.mark.parametrize("moment", DEATHS)
def test_what_a_killed_web_process_has_committed_is_delivered(system: System, moment: str) -> None:
    system.run_code(DEATHS[moment].format(moment=moment), ends_with=KILLED)
    system.wait_for("shop", f"SELECT 1 FROM shop_country WHERE title = 'Died at {moment}'")
    system.converge()


def test_a_row_that_its_process_never_published_is_drained_by_beat(system: System) -> None:
    with system.without_beat("atlas"):
        system.run_code(BEFORE_OURS, ends_with=KILLED)
        assert len(system.outbox("sent_at IS NULL AND attempts = 0")) == 2
    system.wait_for("search", "SELECT 1 FROM search_countrydocument WHERE title LIKE '%Died before our hook'")
    system.converge()


def test_a_kill_before_the_commit_leaves_nothing_anywhere(system: System) -> None:
    system.run_code("with transaction.atomic():\n    country('AX', 'Never').save()\n    die()", ends_with=KILLED)
    assert system.rows("atlas", "SELECT 1 FROM atlas_country WHERE alpha_2 = 'AX'") == system.outbox() == []
    system.converge()


def test_a_publisher_killed_between_claim_and_send_is_made_up_for_by_the_resend(system: System, own_way: Proxy) -> None:
    system.log("atlas").mark()
    with system.without_beat("atlas"):
        own_way.freeze()
        process = system.start_code(SAVE_AND_WAIT, way=own_way, master=PATIENT)
        system.wait_for("atlas", "SELECT 1 FROM celery_cqrs_outbox WHERE sent_at IS NOT NULL")
        system.kill(process)
        assert len(system.outbox("attempts = 1 AND sent_at IS NOT NULL")) == 2
    system.log("atlas").wait(r"(probing|resending).* shop")
    system.converge()


def test_a_relay_killed_between_claim_and_send_is_made_up_for_by_the_resend(system: System, own_way: Proxy) -> None:
    system.log("atlas").mark()
    with system.without_beat("atlas"):
        own_way.freeze()
        system.run_code("country('AC', 'Relayed').save()", master={"publish": "relay"})
        assert len(system.outbox("sent_at IS NULL")) == 2
        relay = system.start_process(
            "atlas", "manage.py", "cqrs_relay", way=own_way, master={"publish": "relay", **PATIENT}
        )
        system.wait_for("atlas", "SELECT 1 FROM celery_cqrs_outbox WHERE sent_at IS NOT NULL")
        system.kill(relay)
        assert len(system.outbox("attempts = 1 AND sent_at IS NOT NULL")) == 2
    system.log("atlas").wait(r"(probing|resending).* shop")
    system.converge()


def test_a_relay_delivers_what_its_service_captures(system: System) -> None:
    with system.without_beat("atlas"):
        relay = system.start_process("atlas", "manage.py", "cqrs_relay", master={"publish": "relay"})
        system.run_code("country('AD', 'Relayed').save()", master={"publish": "relay"})
        system.wait_equal()
        relay.terminate()
        assert relay.wait(SECONDS) == 0
    system.converge()
