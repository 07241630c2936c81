"""A queue that does not exist yet, and a batch that the broker will not take: neither harms the others."""

import pytest

from celery_cqrs import testing
from celery_cqrs.master import breaker
from celery_cqrs.master.drain import drain_all
from celery_cqrs.models import Destination, Outbox
from tests.app.models import Author
from tests.conftest import on_sqlite
from tests.publish.conftest import let_pass, pending, sizes

pytestmark = on_sqlite


@pytest.fixture
def two_replicas(configure, broker):
    """Everything goes to shop and to search."""
    configure(master={"replicas": {"shop": "__all__", "search": "__all__"}})


def is_called(*names):
    """Whether a message tells of one of these names."""
    return lambda message: message["instance_data"].get("name") in names


@pytest.fixture
def authors(uncommitted):
    """Sixteen authors, n0 to n15, captured and not yet published."""
    return Author.cqrs.bulk_create([Author(name=f"n{number}") for number in range(16)])


def test_rows_of_a_missing_queue_wait_while_others_flow(uncommitted, two_replicas, broker):
    broker.missing = {"shop"}
    Author.objects.create(name="Ann")
    drain_all(uncommitted)
    assert sizes("search") == [1] and sizes("shop") == []
    assert list(Outbox.objects.filter(sent_at=None).values_list("queue", "attempts")) == [("shop", 0)]


def test_a_missing_queue_is_not_asked_again_while_it_rests(uncommitted, two_replicas, broker):
    broker.missing = {"shop"}
    for name in "abc":
        Author.objects.create(name=name)
        drain_all(uncommitted)
    assert [queue for queue, _ in broker.offered].count("shop") == 1
    assert sizes("search") == [1, 1, 1]


def test_rows_of_a_missing_queue_go_once_it_exists(uncommitted, two_replicas, broker):
    broker.missing = {"shop"}
    Author.objects.create(name="Ann")
    drain_all(uncommitted)
    broker.missing = set()
    let_pass(3)
    drain_all(uncommitted)
    assert sizes("shop") == [1] and pending() == 0


def test_a_queue_that_is_still_missing_rests_again(uncommitted, two_replicas, broker):
    broker.missing = {"shop"}
    Author.objects.create(name="Ann")
    for _ in range(3):
        drain_all(uncommitted)
        let_pass(3)
    assert [queue for queue, _ in broker.offered].count("shop") == 3 and pending() == 1


def test_a_missing_queue_does_not_put_the_whole_process_to_rest(uncommitted, two_replicas, broker):
    broker.missing = {"shop"}
    Author.objects.create(name="Ann")
    drain_all(uncommitted)
    assert breaker.rest_seconds() == 0


def test_a_missing_queue_is_announced_with_the_reason(uncommitted, two_replicas, broker, heard):
    broker.missing = {"shop"}
    Author.objects.create(name="Ann")
    drain_all(uncommitted)
    (told,) = heard["publish_failed"]
    assert told["queue"] == "shop" and "has never run" in str(told["error"])


def test_rows_of_a_full_queue_wait_until_it_takes_something_again(uncommitted, two_replicas, broker):
    broker.full = {"shop"}
    Author.objects.create(name="Ann")
    drain_all(uncommitted)
    assert sizes("search") == [1] and sizes("shop") == [] and breaker.rest_seconds() == 0
    broker.full = set()
    let_pass(3)
    drain_all(uncommitted)
    assert sizes("shop") == [1] and pending() == 0


def test_a_backlog_for_a_missing_queue_does_not_starve_the_others(uncommitted, two_replicas, broker, configure):
    configure(master={"batch_size": 5})
    broker.missing = {"shop"}
    Author.cqrs.bulk_create([Author(name=f"n{number}") for number in range(60)])
    drain_all(uncommitted)
    assert sum(sizes("search")) == 60 and pending() == 60


def test_a_refused_batch_is_halved_until_its_culprit_stands_alone(authors, uncommitted, broker):
    broker.refuses = is_called("n5")
    drain_all(uncommitted)
    assert [count for _, count in broker.offered] == [16, 8, 4, 4, 2, 1, 1, 2, 8]
    assert sum(sizes()) == 15


def test_the_neighbours_of_a_refused_message_are_sent_exactly_once(authors, uncommitted, broker):
    broker.refuses = is_called("n5", "n6", "n15")
    drain_all(uncommitted)
    names = sorted(message["instance_data"]["name"] for message in testing.sent_messages("replica"))
    assert names == sorted(f"n{number}" for number in range(16) if number not in (5, 6, 15))


def test_a_refused_message_waits_with_its_error(authors, uncommitted, broker, heard):
    broker.refuses = is_called("n5")
    drain_all(uncommitted)
    row = Outbox.objects.get(sent_at=None)
    assert row.pk_text == str(authors[5].pk) and "refused" in row.error and "too large" in row.error
    assert [told["pk"] for told in heard["set_aside"]] == [row.pk_text]


def test_a_refused_message_goes_when_the_broker_takes_it(authors, uncommitted, broker):
    broker.refuses = is_called("n5")
    drain_all(uncommitted)
    broker.refuses = None
    let_pass(11)
    drain_all(uncommitted)
    assert sum(sizes()) == 16 and pending() == 0


def test_a_broker_that_goes_away_between_two_halves_gets_the_rest_later(authors, uncommitted, broker):
    broker.refuses = is_called("n15")
    broker.sends_left = 1
    drain_all(uncommitted)
    broker.sends_left = None
    breaker.reset()
    drain_all(uncommitted)
    names = {message["instance_data"]["name"] for message in testing.sent_messages("replica")}
    assert names == {f"n{number}" for number in range(15)}


def test_a_refusal_says_nothing_about_the_queue(authors, uncommitted, broker):
    broker.refuses = is_called("n5")
    drain_all(uncommitted)
    assert breaker.rest_seconds() == 0 and not Destination.objects.exclude(rests_until=None).exists()
