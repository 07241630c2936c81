"""The accounts where they are read, as simple as can be."""

from dj_cqrs.mixins import ReplicaMixin

from tests.benchmarks.columns import AccountColumns
from tests.benchmarks.project import CQRS_ID


class Account(ReplicaMixin, AccountColumns):
    CQRS_ID = CQRS_ID

    class Meta:
        db_table = "account"
