"""Heal: both sides compare their rows, and the master repairs what differs."""
