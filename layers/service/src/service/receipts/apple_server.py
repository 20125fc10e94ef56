"""Apple's ``attestationData`` endpoint: a receipt in, a newer one out.

Source: Apple, "Assessing fraud risk": POST with the receipt in base64 as the whole body and the token in
``Authorization``; one address for each environment, and a receipt of one is not taken by the other.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Final

from attestation.reference_values import Environment

from service.vendors.outbound import Answer, exchange

TIMEOUT: Final = 6.0
"""Seconds for one whole question."""
MAX_ANSWER: Final = 64 * 1024

Ask = Callable[[Environment, bytes, str], Answer]
"""Sends a receipt with a token. Raises :class:`~service.vendors.outbound.Unreachable`."""


def asking(urls: Mapping[Environment, str]) -> Ask:
    """Asks Apple, or what stands for it."""

    def ask(environment: Environment, receipt: bytes, token: str) -> Answer:
        return exchange(
            "POST",
            urls[environment],
            headers={"Authorization": token},
            timeout=TIMEOUT,
            max_bytes=MAX_ANSWER,
            body=base64.b64encode(receipt),
        )

    return ask


def receipt_in(body: bytes) -> bytes | None:
    """The receipt in an answer: base64, line breaks at the end allowed; ``None`` for anything else."""
    try:
        return base64.b64decode(body.strip(), validate=True) or None
    except (ValueError, binascii.Error):
        return None


def pause_in(answer: Answer, longest: float) -> float | None:
    """The seconds in ``Retry-After``, at most ``longest``; ``None`` where it says no number of seconds."""
    text = answer.headers.get("retry-after", "").strip()
    return min(float(text), longest) if text.isascii() and text.isdigit() and len(text) < 7 else None
