"""The service that holds a copy: receive, apply, settle, confirm."""
