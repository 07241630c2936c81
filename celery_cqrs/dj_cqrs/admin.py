"""The admin mixin under its oldest path."""

from celery_cqrs.admin_mixins import CQRSAdminMasterSyncMixin

__all__ = ["CQRSAdminMasterSyncMixin"]
