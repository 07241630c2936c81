"""The log of the triggers shows whatever must not happen: a run can trust its silence."""

from __future__ import annotations

from django.utils import timezone

from celery_cqrs import tombstones
from celery_cqrs.models import Tombstone
from tests.convergence.models import REPLICAS, Step
from tests.convergence.watch import steps_back, watched

GONE = None


def row(revision: int | None) -> Step:
    """The row has this revision now."""
    return Step(cqrs_id="port", key_text="1", is_grave=False, revision=revision)


def grave(revision: int) -> Step:
    """Its deletion is remembered."""
    return Step(cqrs_id="port", key_text="1", is_grave=True, revision=revision)


def test_lives_that_go_on_above_their_deletions_are_in_order():
    assert steps_back([row(0), row(1), row(5), row(GONE), grave(6), row(7), row(GONE), grave(8)]) == []


def test_a_step_back_is_seen():
    assert steps_back([row(3), row(2)]) == ["port 1 went back from revision 3 to 2"]


def test_a_row_that_comes_back_at_or_below_its_deletion_is_seen():
    assert steps_back([grave(4), row(4)]) == ["port 1 is alive at revision 4 and was deleted at 4"]


def test_a_row_that_comes_back_is_seen_also_where_its_deletion_is_forgotten():
    assert steps_back([row(4), row(GONE), row(3)]) == ["port 1 is alive at revision 3 and was deleted at 4"]


def test_a_row_that_survives_its_deletion_is_seen():
    assert steps_back([row(3), grave(4)]) == ["port 1 is alive at revision 3 and was deleted at 4"]


def test_the_keys_of_other_models_are_others():
    assert steps_back([row(3), Step(cqrs_id="ship", key_text="1", is_grave=False, revision=2)]) == []


def test_triggers_log_every_change_of_a_revision_and_every_remembered_deletion(database):
    port_first = [model for model in REPLICAS if not hasattr(model, "port")]
    with watched(database):
        for replica in port_first:
            for revision in (3, 3, 2):
                values = {"cqrs_revision": revision, "cqrs_updated": timezone.now()}
                replica.objects.update_or_create(pk="1", defaults=values)
            replica.objects.all().delete()
            tombstones.remember(database, Tombstone.REPLICA, replica.CQRS_ID, {"1": 4})
            tombstones.hold(database, Tombstone.REPLICA, replica.CQRS_ID, ["2"])
    logged = Step.objects.order_by("id").values_list("cqrs_id", "key_text", "is_grave", "revision")
    told = [(False, 3), (False, 2), (False, None), (True, 4)]
    assert list(logged) == [(model.CQRS_ID, "1", *one) for model in port_first for one in told]
