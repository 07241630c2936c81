"""The import paths of django-cqrs, for people who move over: replace ``dj_cqrs`` by ``celery_cqrs.dj_cqrs``."""
