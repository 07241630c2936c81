"""Settings of a service of the sample that signs, as the how-to page says."""

import os

from tests.end_to_end.service_settings import *  # noqa: F403
from tests.end_to_end.service_settings import INSTALLED_APPS as SERVICE_APPS
from tests.end_to_end.service_settings import SERVICE

INSTALLED_APPS = [*(name for name in SERVICE_APPS if "trap" not in name), "tests.end_to_end.signing.Signing"]

CELERY_TASK_SERIALIZER = "auth"
CELERY_ACCEPT_CONTENT = ["auth"]
CELERY_SECURITY_KEY = f"{os.environ['KEYS']}/{SERVICE}.key"
CELERY_SECURITY_CERTIFICATE = f"{os.environ['KEYS']}/trusted/{SERVICE}.pem"
CELERY_SECURITY_CERT_STORE = f"{os.environ['KEYS']}/trusted/*.pem"
