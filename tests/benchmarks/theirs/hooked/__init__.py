"""Copies the accounts through hooks of its own."""
