"""A serializer of Django REST framework, as it is."""

from __future__ import annotations

from rest_framework import serializers

from tests.app.masters import Account


class PartnerSerializer(serializers.ModelSerializer):
    """Nested in an account."""

    class Meta:
        model = Account
        fields = ("id", "name")


class AccountSerializer(serializers.ModelSerializer):
    """An account with its partner."""

    partner = PartnerSerializer()

    class Meta:
        model = Account
        fields = ("id", "name", "opened", "balance", "partner")
