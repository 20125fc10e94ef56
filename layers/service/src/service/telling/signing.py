"""Signatures of webhooks, after Standard Webhooks 1.0: HMAC-SHA256 over id, time and body."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook as Signer


def signed_headers(event: str, text: str, *, secrets: Sequence[bytes], now: float) -> dict[str, str]:
    """The three headers of one attempt: ``webhook-id``, ``webhook-timestamp`` (of this attempt, so that receivers can
    refuse old ones) and ``webhook-signature``, one signature for each active secret."""
    moment = datetime.fromtimestamp(int(now), UTC)
    return {
        "webhook-id": event,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": " ".join(Signer(secret).sign(event, moment, text) for secret in secrets),
    }
