"""Webhooks: events out over HTTP."""

from __future__ import annotations

from edged.ports.webhook.port import WebhookPort

__all__ = ["WebhookPort"]
