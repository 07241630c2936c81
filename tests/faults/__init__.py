"""Outages on servers of the tests' own: whatever happens to the broker or to a process, nothing is lost.

``make faults`` runs all faults and prints a table; pytest runs a short selection. See docs/explanation/faults.md.
"""
