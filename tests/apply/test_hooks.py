"""The documented hooks: which is called, with what, and what its answer means."""

from __future__ import annotations

import pytest

from celery_cqrs.models import Letter, Tombstone
from celery_cqrs.outcome import Applied, Reason, Retry, Skipped
from tests.app.models import AuthorRef, RecipeDocument
from tests.apply.replicas import FALSY, Recorder
from tests.receive.wire import author, confirmed, deletion, deliver, message, recipe

pytestmark = pytest.mark.django_db


def watched(pk, revision=0, name="Ann", **keys):
    return {**message("watched", pk, revision, name=name, born="1899-12-31", excess=1), **keys}


def outermost(pk, revision=0, name="Ann", **keys):
    return {**message("outermost", pk, revision, name=name), **keys}


def test_a_new_key_is_created_and_a_known_one_updated():
    deliver(watched(1))
    deliver(watched(1, 1, "Bea"))
    assert [call[:2] for call in Recorder.calls] == [("create", "Ann"), ("update", "Bea")]
    assert AuthorRef.objects.get().name == "Bea"


def test_create_and_update_get_decoded_data_under_the_names_of_the_replica():
    deliver(watched(1))
    (_, _, _, mapped, _, _) = Recorder.calls[0]
    assert mapped.keys() == {"id", "name", "born", "cqrs_revision", "cqrs_updated"}
    assert mapped["born"].year == 1899


def test_hooks_are_told_whether_it_is_a_sync():
    deliver(watched(1))
    deliver(watched(1, signal_type="SYNC"), watched(2, signal_type="SYNC"))
    assert [(call[0], call[2]) for call in Recorder.calls] == [("create", False), ("update", True), ("create", True)]


def test_hooks_get_previous_data_and_meta():
    deliver(watched(1), watched(1, 1, previous_data={"name": "Ann"}, meta={"user": 5}))
    assert [call[4:] for call in Recorder.calls] == [(None, None), ({"name": "Ann"}, {"user": 5})]


def test_meta_is_only_given_to_models_that_ask_for_it():
    deliver({**message("elsewhere", 1, name="Ann"), "meta": {"user": 5}}, {**author(2), "meta": {"user": 5}})
    assert not Letter.objects.exists()


def test_two_saves_of_a_key_in_one_batch_are_a_create_and_an_update():
    deliver(watched(1), watched(1, 1), watched(1, 2))
    assert [call[0] for call in Recorder.calls] == ["create", "update", "update"]
    assert AuthorRef.objects.get().cqrs_revision == 2


def test_hooks_see_the_messages_of_a_key_by_their_revisions_however_a_batch_mixes_them():
    deliver(watched(1, 2), watched(2), watched(1), watched(1, 1))
    assert [call[0] for call in Recorder.calls] == ["create", "update", "update", "create"]
    assert dict(AuthorRef.objects.values_list("pk", "cqrs_revision")) == {1: 2, 2: 0}


@pytest.mark.parametrize("name", FALSY)
@pytest.mark.parametrize("known", [False, True], ids=["create", "update"])
def test_a_falsy_answer_of_a_hook_is_a_failure_that_says_so(name, known):
    if known:
        deliver(watched(1))
    (ending,) = deliver(watched(1, 1, name))
    assert isinstance(ending, Retry)
    reason = Letter.objects.get().reason
    assert f"Watched returned {FALSY[name]!r}" in reason
    assert ("cqrs_update" if known else "cqrs_create") in reason


def test_a_failing_hook_leaves_no_trace_in_the_row():
    deliver(recipe(1, title="soup"))
    deliver(recipe(1, 1, title="explode"))
    assert RecipeDocument.objects.get().document["title"] == "soup"
    assert Letter.objects.get().reason == "RuntimeError: the oven is on fire"


def test_an_overridden_save_is_called_with_the_data_of_the_master():
    deliver(outermost(1, name="Ann", previous_data={"name": None}, meta={"user": 5}))
    (call,) = Recorder.calls
    assert call[0] == "save"
    assert call[3]["name"] == "Ann"
    assert call[4:] == ({"name": None}, {"user": 5})
    assert AuthorRef.objects.get().name == "Ann"


def test_an_overridden_save_is_told_whether_it_is_a_sync():
    deliver(outermost(1))
    deliver(outermost(1, signal_type="SYNC"))
    assert [call[2] for call in Recorder.calls] == [False, True]


def test_an_overridden_save_is_guarded_as_any_other():
    deliver(outermost(1, 5))
    endings = deliver(outermost(1, 5), outermost(1, 4))
    assert endings == [Skipped(Reason.DUPLICATE), Skipped(Reason.WRONG_ORDER)]
    assert len(Recorder.calls) == 1


def test_an_overridden_save_that_answers_falsy_is_a_failure():
    (ending,) = deliver(outermost(1, name="nothing"))
    assert isinstance(ending, Retry)
    assert "cqrs_save of Outermost returned" in ending.reason


def test_an_overridden_delete_is_called_with_the_custom_data_of_the_master():
    deliver(outermost(1))
    data = deletion("outermost", 1, 1)
    data["instance_data"]["custom"] = {"name": "custom"}
    assert deliver(data) == [Applied()]
    assert Recorder.calls[-1][:2] == ("delete", "custom")
    assert not AuthorRef.objects.exists()


@pytest.mark.parametrize("name", ["explode", "false", "nothing"])
def test_an_overridden_delete_that_fails_keeps_the_row_and_remembers_no_deletion(name):
    deliver(outermost(1))
    data = deletion("outermost", 1, 1)
    data["instance_data"]["custom"] = {"name": name}
    (ending,) = deliver(data)
    assert isinstance(ending, Retry)
    assert AuthorRef.objects.count() == 1
    assert not Tombstone.objects.exists()


def test_an_overridden_delete_is_remembered_whatever_it_does():
    deliver(outermost(1), deletion("outermost", 1, 3))
    assert Tombstone.objects.get(side="replica").revision == 3
    assert deliver(outermost(1, 2)) == [Skipped(Reason.DELETED)]


def test_a_save_that_stores_elsewhere_may_do_so():
    deliver(message("elsewhere", 1, name="Ann"))
    assert list(AuthorRef.objects.values_list("pk", "name")) == [(1001, "beside")]
    assert not Tombstone.objects.exists()


def test_custom_serialization_hands_the_document_to_the_hook():
    deliver(recipe(1, title="soup"))
    assert RecipeDocument.objects.get().document["title"] == "soup"
    assert RecipeDocument.calls == [("create", 1, False, {"who": "cook"})]


def test_everything_a_hook_wrote_goes_with_its_failure():
    deliver(watched(1), watched(2, 0, "explode"), watched(3))
    assert list(AuthorRef.objects.order_by("pk").values_list("pk", flat=True)) == [1, 3]
    assert confirmed() == [100, 200, 300]


def test_an_indirect_sync_is_skipped_where_only_direct_ones_count():
    sync = {**message("direct", 1, name="Ann"), "signal_type": "SYNC"}
    assert deliver(sync) == [Skipped(Reason.INDIRECT_SYNC)]
    assert deliver(sync, queue="another") == [Skipped(Reason.INDIRECT_SYNC)]
    assert not AuthorRef.objects.exists()
    assert confirmed() == [100, 100]


def test_a_direct_sync_is_applied_where_only_direct_ones_count():
    assert deliver({**message("direct", 1, name="Ann"), "signal_type": "SYNC"}, queue="replica") == [Applied()]
    assert deliver(message("direct", 1, 1, name="Bea")) == [Applied()]
    assert AuthorRef.objects.get().name == "Bea"


def test_an_indirect_sync_leaves_the_letter_of_an_unapplied_save_alone():
    broken = message("direct", 1, 1, name="x", rival="nobody")
    deliver(broken)
    deliver({**message("direct", 1, 1, name="Ann"), "signal_type": "SYNC"})
    assert Letter.objects.get().revision == 1


def test_a_sync_repairs_the_content_of_a_row_at_its_own_revision():
    deliver(author(1, 3))
    AuthorRef.objects.update(name="edited by hand")
    deliver({**author(1, 3, name="right"), "signal_type": "SYNC"})
    row = AuthorRef.objects.get()
    assert (row.name, row.cqrs_revision) == ("right", 3)


def test_a_sync_never_lowers_a_revision():
    deliver(author(1, 3))
    assert deliver({**author(1, 2, name="old"), "signal_type": "SYNC"}) == [Skipped(Reason.WRONG_ORDER)]
    assert AuthorRef.objects.get().cqrs_revision == 3
