"""The service that owns a model: capture, outbox, publish, resend, confirm."""
