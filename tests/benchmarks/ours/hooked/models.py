"""The accounts where they are read by a project that has something to say about each."""

from celery_cqrs.mixins import ReplicaMixin
from tests.benchmarks.columns import AccountColumns
from tests.benchmarks.hooks import Hooks
from tests.benchmarks.project import CQRS_ID


class Account(Hooks, ReplicaMixin, AccountColumns):
    CQRS_ID = CQRS_ID

    class Meta:
        db_table = "account"
