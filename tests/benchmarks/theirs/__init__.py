"""The project of their side: the same models with django-cqrs 3.1.0, run in an environment of its own."""
