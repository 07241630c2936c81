"""Step 3, the way out: what every transport promises, and Celery's on real brokers."""
