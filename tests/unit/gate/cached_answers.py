"""The authorizer's answer to an event, or its refusal."""

from __future__ import annotations

from typing import Any

from tests.unit.gate.stand import Stand


def asked(stand: Stand, event: dict[str, Any]) -> dict[str, Any] | None:
    """The authorizer's answer; ``None`` for Unauthorized, which refuses and is not kept."""
    try:
        return stand.answer(event)
    except Exception as error:
        if str(error) != "Unauthorized":
            raise
        return None
