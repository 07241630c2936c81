"""The admin mixin under its old path."""

from celery_cqrs.admin_mixins import CQRSAdminMasterSyncMixin

__all__ = ["CQRSAdminMasterSyncMixin"]
