"""The accounts where they are written."""

from celery_cqrs.mixins import MasterMixin
from tests.benchmarks.columns import AccountColumns
from tests.benchmarks.project import CQRS_ID


class Account(MasterMixin, AccountColumns):
    CQRS_ID = CQRS_ID

    class Meta:
        db_table = "account"


class PlainAccount(AccountColumns):
    """The same without capture."""

    class Meta:
        db_table = "plain_account"
