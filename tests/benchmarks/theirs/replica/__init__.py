"""Copies the accounts."""
