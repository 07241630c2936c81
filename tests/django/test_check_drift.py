"""What is said at start of replica models that cannot hold what their masters send, or will be regretted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from django.db import connections, models

from celery_cqrs.exceptions import ModelRefused
from celery_cqrs.mixins import RawReplicaMixin, ReplicaMeta, ReplicaMixin
from tests.app.models import AuthorRef, ProductRef
from tests.conftest import on_database
from tests.django.conftest import problems, the_problem

pytestmark = pytest.mark.usefixtures("scratch_models")
on_mariadb = pytest.mark.parametrize("database", [pytest.param("mariadb", marks=on_database("mariadb"))], indirect=True)


def replica(**members: Any) -> Any:
    """A replica model "guest" of the app of the tests."""
    meta = type("Meta", (), {"app_label": "app", **members.pop("meta", {})})
    return type(
        "Guest", (ReplicaMixin, models.Model), {"__module__": __name__, "CQRS_ID": "guest", "Meta": meta} | members
    )


def test_a_plain_replica_model_is_told_nothing() -> None:
    replica(name=models.CharField(max_length=20), rank=models.IntegerField(null=True))
    assert problems() == []


# ── what can never work ────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"cqrs_revision": models.CharField(max_length=9)}, "has no cqrs_revision of the kind IntegerField"),
        ({"cqrs_revision": None}, "no cqrs_revision"),
        ({"cqrs_updated": models.DateField()}, "has no cqrs_updated of the kind DateTimeField"),
        (
            {"CQRS_MAPPING": {"key": "id"}, "name": models.CharField(max_length=9)},
            "CQRS_MAPPING of 'guest' does not reach 'name', which may not be null.",
        ),
    ],
)
def test_a_model_to_which_nothing_could_be_applied_is_refused(members: dict[str, Any], words: str) -> None:
    replica(**members)
    number, sentence, _ = the_problem()
    assert number == "E012" and words in sentence


if hasattr(models, "GeneratedField"):  # from Django 5 on

    def test_a_mapping_to_a_generated_field_is_refused() -> None:
        generated = models.GeneratedField(
            expression=models.F("id") + 1, output_field=models.IntegerField(), db_persist=True
        )
        replica(CQRS_MAPPING={"id": "id", "next": "following"}, following=generated)
        number, sentence, _ = the_problem()
        assert number == "E012" and "'following', which the database generates" in sentence


def test_a_model_without_operations_and_without_hooks_is_refused() -> None:
    class Silent(RawReplicaMixin):
        CQRS_ID = "silent"

    ReplicaMeta.register(Silent)
    number, sentence, _ = the_problem()
    assert number == "E012" and "'silent' has no database operations and no cqrs_save" in sentence


def test_a_hook_that_nobody_would_await_is_refused() -> None:
    async def cqrs_create(cls: Any, sync: bool, mapped_data: Any, **_: Any) -> bool:
        return True

    replica(cqrs_create=classmethod(cqrs_create))
    number, sentence, _ = the_problem()
    assert number == "E012" and "cqrs_create of replica model 'guest' is async" in sentence


@pytest.mark.parametrize("name", ["cqrs_revision", "cqrs_updated"])
def test_a_mapping_that_fills_the_guards_fields_is_refused_when_the_class_is_made(name: str) -> None:
    with pytest.raises(ModelRefused, match=f"fills {name} with something else"):
        replica(CQRS_MAPPING={"id": "id", "version": name})


def test_a_mapping_may_name_the_revision_itself_and_copy_it_elsewhere() -> None:
    own = {"cqrs_revision": "cqrs_revision", "cqrs_updated": "changed"}
    replica(CQRS_MAPPING={"id": "id", **own}, changed=models.DateTimeField())
    assert problems() == []


def test_a_hook_that_stores_by_itself_may_leave_fields_out_of_the_mapping() -> None:
    def cqrs_save(cls: Any, master_data: Any, **_: Any) -> bool:
        return True

    replica(CQRS_MAPPING={"id": "id"}, name=models.CharField(max_length=9), cqrs_save=classmethod(cqrs_save))
    assert problems() == []


# ── what will be regretted ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("how", ["auto_now", "auto_now_add"])
def test_a_field_that_writes_its_own_time_is_warned_of(how: str) -> None:
    replica(changed=models.DateTimeField(**{how: True}))
    number, sentence, hint = the_problem()
    assert (number, sentence) == (
        "W011",
        "'changed' of replica model 'guest' writes its own time over that of the master.",
    )
    assert "Remove auto_now" in hint


def test_a_time_of_ones_own_beside_a_mapping_is_nobodys_business() -> None:
    replica(CQRS_MAPPING={"id": "id"}, copied=models.DateTimeField(auto_now=True))
    assert problems() == []


class Pair:
    """Fields and constraints that are unique."""

    meta: ClassVar[dict[str, Any]] = {
        "unique_together": [("first", "last")],
        "constraints": [models.UniqueConstraint(fields=["last"], name="one_last")],
    }


def test_uniqueness_of_its_own_is_warned_of_by_its_names() -> None:
    text = {name: models.CharField(max_length=9) for name in ("first", "last")}
    replica(**text, mail=models.CharField(max_length=9, unique=True), meta=Pair.meta)
    number, sentence, _ = the_problem()
    assert number == "W012"
    assert sentence.endswith("demands uniqueness itself: mail, one_last, first + last.")


def test_a_unique_field_that_a_foreign_key_refers_to_is_needed() -> None:
    twin = models.ForeignKey("self", models.DO_NOTHING, to_field="code", null=True)
    replica(code=models.CharField(max_length=9, unique=True), twin=twin)
    assert problems() == []


def parent(**options: Any) -> Any:
    """A foreign key to a model that is no replica."""
    return models.ForeignKey("contenttypes.ContentType", models.DO_NOTHING, **options)


def test_a_parent_that_nobody_sends_is_warned_of() -> None:
    replica(kind=parent())
    number, sentence, hint = the_problem()
    assert (number, sentence) == (
        "W013",
        "'kind' of replica model 'guest' refers to ContentType, which is no replica model.",
    )
    assert "db_constraint=False" in hint


@pytest.mark.parametrize("kind", [parent(db_constraint=False), parent(null=True)], ids=["by value", "its own"])
def test_a_parent_without_a_constraint_or_beside_the_message_is_right(kind: Any) -> None:
    replica(kind=kind)
    assert problems() == []


def test_a_parent_that_is_replicated_is_right() -> None:
    replica(author=models.ForeignKey(AuthorRef, models.DO_NOTHING))
    assert problems() == []


def test_a_limit_for_statements_is_said_to_be_without_effect_on_sqlite(configure: Callable[..., None]) -> None:
    configure(replica={"CQRS_QUERY_TIMEOUT": 5_000})
    number, sentence, _ = the_problem()
    assert number == "W003" and sentence.endswith("has no effect on database 'default'.")


# ── what the database must be asked ────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def without_strict_mode(database: str) -> Iterator[None]:
    """Sessions of this database cut what does not fit."""
    options = connections[database].settings_dict["OPTIONS"]
    options["init_command"] = "SET sql_mode = ''"
    forget(database)
    yield
    del options["init_command"]
    forget(database)


def forget(database: str) -> None:
    """Have the next question ask a new session."""
    connections[database].close()
    for name in ("mysql_server_data", "sql_mode"):
        vars(connections[database]).pop(name, None)


@on_mariadb
@pytest.mark.usefixtures("without_strict_mode")
def test_a_database_that_cuts_what_does_not_fit_is_refused(database: str) -> None:
    found = {one.id: one for one in problems(databases=[database])}
    assert "cuts values that are too long" in found["celery_cqrs.E013"].msg
    assert "sql_mode = 'STRICT_TRANS_TABLES'" in found["celery_cqrs.E013"].hint


@on_mariadb
def test_a_strict_database_is_told_only_of_keys_that_it_confuses(database: str) -> None:
    found = problems(databases=[database])
    assert {one.id for one in found} == {"celery_cqrs.W014"}
    told = f"the key 'code' of replica model {ProductRef.CQRS_ID!r} takes 'a' and 'A' for one"
    assert len([one for one in found if told in one.msg]) == 1
