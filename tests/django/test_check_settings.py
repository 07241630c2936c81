"""A wrong setting is refused with the sentence that mends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_cqrs import conf
from celery_cqrs.checks import check_configuration
from tests.django.conftest import problems, the_problem

Configure = Callable[..., None]
KEYS = [(path, name) for path, section in conf.SECTIONS.items() for name in section.declared()]
NUMBERS = [
    (path, name)
    for path, section in conf.SECTIONS.items()
    for name, setting in section.declared().items()
    if int in setting.kinds and bool not in setting.kinds
]
NEEDED_HERE = ("queue", "celery_app", "transport", "replicas")


def place(path: str, name: str) -> str:
    """How the sentences name a key."""
    return f'CQRS["{path}"]["{name}"]' if path else f'CQRS["{name}"]'


def set_key(configure: Configure, path: str, name: str, value: Any) -> None:
    configure(**({path: {name: value}} if path else {name: value}))


def test_the_settings_of_these_tests_are_right() -> None:
    assert problems() == []


def test_settings_without_cqrs_are_told_what_to_add(settings: Any) -> None:
    del settings.CQRS
    assert the_problem() == (
        "E001",
        "settings.CQRS is not set.",
        'Add CQRS = {"queue": "<name of this service>"} to the settings.',
    )


@pytest.mark.parametrize("value", [None, "replica", ["queue"], 5])
def test_cqrs_must_be_a_dictionary(settings: Any, value: Any) -> None:
    settings.CQRS = value
    assert the_problem()[0] == "E001"


@pytest.mark.parametrize("queue", [{}, {"queue": ""}])
def test_a_service_without_a_queue_is_told_what_to_add(settings: Any, queue: dict[str, str]) -> None:
    settings.CQRS = {key: value for key, value in settings.CQRS.items() if key != "queue"} | queue
    number, sentence, hint = the_problem()
    assert (number, sentence) == ("E001", 'CQRS has no "queue".')
    assert '"queue": "<name of this service>"' in hint


@pytest.mark.parametrize(
    ("path", "wrong", "right"),
    [
        ("", "qeue", "queue"),
        ("", "tombstone_second", "tombstone_seconds"),
        ("", "masters", "master"),
        ("master", "batchsize", "batch_size"),
        ("master", "CQRS_MESSAGE_TTLS", "CQRS_MESSAGE_TTL"),
        ("replica", "CQRS_MAX_RETRY", "CQRS_MAX_RETRIES"),
        ("reconcile", "every_second", "every_seconds"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_one(
    configure: Configure, path: str, wrong: str, right: str
) -> None:
    set_key(configure, path, wrong, 1)
    number, sentence, hint = the_problem()
    assert (number, hint) == ("E006", f"Did you mean {right!r}?")
    assert repr(wrong) in sentence


def test_a_key_unlike_any_other_is_answered_with_all_keys(configure: Configure) -> None:
    configure(master={"wxyz": 1})
    number, _, hint = the_problem()
    assert number == "E006"
    assert all(name in hint for name in conf.master.declared())


@pytest.mark.parametrize(
    ("path", "name", "home"),
    [
        ("", "replicas", 'CQRS["master"]'),
        ("replica", "replicas", 'CQRS["master"]'),
        ("master", "CQRS_MAX_RETRIES", 'CQRS["replica"]'),
        ("replica", "CQRS_MESSAGE_TTL", 'CQRS["master"]'),
        ("master", "queue", "CQRS"),
        ("master", "every_seconds", 'CQRS["reconcile"]'),
    ],
)
def test_a_key_of_the_other_role_is_told_where_it_belongs(
    configure: Configure, path: str, name: str, home: str
) -> None:
    set_key(configure, path, name, 1)
    number, sentence, hint = the_problem()
    assert number == "E005"
    assert sentence.endswith(f"has {name!r}, which belongs to {home}.")
    assert hint == f"Move it to {home}."


@pytest.mark.parametrize("key", ["url", "host", "port", "user", "password", "exchange"])
def test_a_transport_key_of_django_cqrs_is_to_be_removed(configure: Configure, key: str) -> None:
    configure(**{key: "rabbit"})
    assert the_problem() == (
        "E004",
        f"CQRS has {key!r}, a transport key of django-cqrs.",
        "Remove it: Celery's broker settings replace it.",
    )


@pytest.mark.parametrize(
    ("path", "key", "word"),
    [
        ("replica", "CQRS_DELAY_QUEUE_MAX_SIZE", "worker_eta_task_limit"),
        ("replica", "delay_queue_max_size", "worker_eta_task_limit"),
        ("replica", "dead_letter_queue", "celery_cqrs_letter"),
    ],
)
def test_another_key_of_django_cqrs_is_told_what_replaces_it(
    configure: Configure, path: str, key: str, word: str
) -> None:
    set_key(configure, path, key, 5)
    number, _, hint = the_problem()
    assert number == "E004"
    assert word in hint


@pytest.mark.parametrize("path", ["rabbit.Transport", "dj_cqrs.transport.RabbitMQTransport", "os.path.join", "nothing"])
def test_a_transport_of_somebody_else_is_refused(configure: Configure, path: str) -> None:
    configure(transport=path)
    number, sentence, _ = the_problem()
    assert (number, sentence) == ("E004", f'CQRS["transport"] {path!r} is not a transport of celery_cqrs.')


def test_a_celery_app_that_is_not_there_is_told(configure: Configure) -> None:
    configure(transport="celery_cqrs.transport.celery.CeleryTransport", celery_app="nowhere.celery:app")
    number, sentence, hint = the_problem()
    assert number == "E007"
    assert "No Celery app was found" in sentence and "nowhere.celery:app" in sentence
    assert "celery.py beside the settings" in hint


@pytest.mark.parametrize(("path", "name"), KEYS)
def test_a_value_of_a_wrong_type_is_refused(configure: Configure, path: str, name: str) -> None:
    set_key(configure, path, name, [object])
    found = [str(one.msg) for one in problems() if one.id == "celery_cqrs.E003"]
    assert [sentence for sentence in found if sentence.startswith(f"{place(path, name)} must be ")]


@pytest.mark.parametrize(("path", "name"), NUMBERS)
@pytest.mark.parametrize("value", [True, "5", -1, float("nan")], ids=str)
def test_a_number_that_is_none_or_negative_is_refused(configure: Configure, path: str, name: str, value: Any) -> None:
    set_key(configure, path, name, value)
    assert [one for one in problems() if one.id == "celery_cqrs.E003" and place(path, name) in str(one.msg)]


@pytest.mark.parametrize(
    "key",
    "batch_size batch_bytes relay_poll_seconds sweep_seconds resend_after_seconds socket_timeout_seconds".split(),
)
def test_nothing_is_no_amount_to_work_with(configure: Configure, key: str) -> None:
    configure(master={key: 0})
    assert the_problem()[1] == f'CQRS["master"]["{key}"] must be greater than 0, not 0.'


@pytest.mark.parametrize("section", ["master", "replica", "reconcile"])
@pytest.mark.parametrize("value", [None, "shop", [], 1], ids=str)
def test_a_section_must_be_a_dictionary(settings: Any, section: str, value: Any) -> None:
    settings.CQRS = {**settings.CQRS, section: value}
    assert f'CQRS["{section}"] must be a dictionary' in the_problem()[1]


def test_a_publish_mode_that_does_not_exist_is_refused(configure: Configure) -> None:
    configure(master={"publish": "sometimes"})
    assert the_problem() == (
        "E003",
        'CQRS["master"]["publish"] is \'sometimes\'.',
        'Set it to "commit" or "relay".',
    )


@pytest.mark.parametrize("name", ["meta_function", "correlation_function"])
@pytest.mark.parametrize("path", ["nowhere.function", "os.path.nothing", "nothing"])
def test_a_function_that_cannot_be_imported_is_refused(configure: Configure, name: str, path: str) -> None:
    configure(master={name: path})
    number, sentence, _ = the_problem()
    assert (number, sentence) == ("E003", f'CQRS["master"]["{name}"] {path!r} cannot be imported.')


@pytest.mark.parametrize("seconds", [864_000, 900_000])
def test_deletions_must_be_remembered_longer_than_messages_travel(configure: Configure, seconds: int) -> None:
    configure(master={"CQRS_MESSAGE_TTL": seconds})
    number, sentence, _ = the_problem()
    assert number == "E003"
    assert 'CQRS["tombstone_seconds"] must exceed' in sentence


def test_messages_that_never_expire_are_allowed(configure: Configure) -> None:
    configure(master={"CQRS_MESSAGE_TTL": None})
    assert problems() == []


@pytest.mark.parametrize("seconds", [None, 864_001])
def test_letters_may_outlive_the_memory_of_deletions(configure: Configure, seconds: int | None) -> None:
    configure(replica={"dead_message_ttl": seconds})  # an older one is not applied, but asks for its row
    assert problems() == []


@pytest.mark.parametrize(("path", "name"), [key for key in KEYS if key[1] not in NEEDED_HERE])
def test_the_default_of_each_key_may_be_written_down(configure: Configure, path: str, name: str) -> None:
    set_key(configure, path, name, conf.SECTIONS[path].declared()[name].default)
    assert not [one for one in problems() if one.is_serious()]


@pytest.mark.parametrize("path", conf.SECTIONS)
def test_each_key_has_a_meaning(path: str) -> None:
    assert all(len(setting.meaning.split()) > 1 for setting in conf.SECTIONS[path].declared().values())


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from([*(name for _, name in KEYS), *conf.SECTIONS, "url", "exchange"]) | st.text(max_size=8)
ANYTHING = st.dictionaries(NAMES, st.dictionaries(NAMES, PLAIN, max_size=4) | PLAIN, max_size=5)


@given(ANYTHING)
@settings(max_examples=100, deadline=None)
def test_no_setting_whatever_it_is_makes_the_check_itself_fail(given_cqrs: dict[str, Any]) -> None:
    with override_settings(CQRS={"queue": "replica", "celery_app": "tests.app.celery:app", **given_cqrs}):
        found = check_configuration()
    assert all(str(one.msg).strip() and str(one.hint).strip() for one in found)


def test_the_check_leaves_the_settings_as_they_are() -> None:
    before = repr(django_settings.CQRS)
    problems()
    assert repr(django_settings.CQRS) == before
