"""Owns the accounts."""
