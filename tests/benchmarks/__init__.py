"""How fast it is, beside django-cqrs 3.1.0 and beside the databases alone: ``python -m tests.benchmarks``."""
