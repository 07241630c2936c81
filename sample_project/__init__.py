"""Three services on one broker: see README.md."""
