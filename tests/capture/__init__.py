"""Step 1: which changes become outbox rows, and when they do not."""
