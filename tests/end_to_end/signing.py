"""Keys and certificates, and what other hands than the services' would send."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from typing import Any

import kombu
from celery.security.certificate import Certificate, CertStore
from celery.security.key import PrivateKey
from celery.security.serialization import SecureSerializer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from django.apps import AppConfig

TRUSTED = "trusted"


class Signing(AppConfig):
    """An app of the services under test that does what the how-to page has ``celery.py`` do."""

    name = "tests.end_to_end"
    label = "signing"

    def ready(self) -> None:
        """Sign from now on."""
        from django.conf import settings

        import_module(settings.CQRS["celery_app"].partition(":")[0]).app.setup_security()


@dataclass(frozen=True)
class Signer:
    """Whoever has a key and its certificate, as PEM."""

    key: str
    certificate: str

    @classmethod
    def make(cls, name: str) -> Signer:
        """A new key with a certificate of its own."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        signed = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        return cls(key.private_bytes(*plain).decode(), signed.decode())

    def write(self, folder: Path, name: str) -> None:
        """Put the key into ``folder``, and the certificate to the trusted ones."""
        (folder / TRUSTED).mkdir(exist_ok=True)
        (folder / f"{name}.key").write_text(self.key)
        (folder / TRUSTED / f"{name}.pem").write_text(self.certificate)

    def sign(self, data: Any) -> str:
        """A body as Celery's serializer "auth" makes it."""
        serializer = SecureSerializer(PrivateKey(self.key), Certificate(self.certificate), CertStore())
        return str(serializer.serialize(data))


def send_body(url: str, queue: str, task: str, body: str, content_type: str) -> str:
    """Put a task with this body into a queue; returns its id."""
    task_id = token_hex(8)
    headers = {"task": task, "id": task_id, "lang": "py", "argsrepr": "", "kwargsrepr": "", "root_id": task_id}
    with kombu.Connection(url) as connection, connection.Producer(auto_declare=False) as producer:
        options = {"content_type": content_type, "content_encoding": "utf-8", "correlation_id": task_id}
        producer.publish(body, routing_key=queue, headers=headers, **options)
    return task_id


def body_of(payload: Any) -> list[Any]:
    """A task's arguments as they travel."""
    return [[payload], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]


def unsigned(payload: Any) -> tuple[str, str]:
    """Body and content type as any Celery program sends them."""
    return json.dumps(body_of(payload)), "application/json"
