"""How the vectors of refusals spell an answer, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

TITLE: Final = "Whatever it says here."
HELD: Final = [900, 900]
FIRST: Final = [0, 20]
UNAVAILABLE: Final = ("unavailable", "service", "try-later")
REFUSED: Final = ("refused", "service", "try-later")
MISCONFIGURED: Final = ("misconfigured", "app", "contact-support")
OFFLINE: Final = ("offline", "network", "connect")
PROOF_CALLS: Final = (("guarded", "GET"), ("guarded", "POST"), ("secrets", "POST"), ("signals", "POST"))
FLIGHT_CALLS: Final = ("challenge", "attestation", "renewal")


def answer(
    case: str,
    call: str,
    status: int | None,
    does: str,
    error: tuple[str, str, str] | None,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | str = "",
    wait: list[int] | None = None,
    row: int = 1,
    **more: Any,
) -> dict[str, Any]:
    names = ("code", "fault", "action")
    return {
        "case": f"{call}: {case}" if method == "POST" else f"{call} {method}: {case}",
        "call": call,
        "method": method,
        "status": status,
        "headers": dict(headers or {}),
        "body": body if isinstance(body, str) else json.dumps(body, separators=(",", ":")),
        "refusals_in_a_row": row,
        **more,
        "does": does,
        "wait": wait,
        "error": None if error is None else dict(zip(names, error, strict=True)),
    }


def problem(slug: str, status: int, retry: str = "never", **more: Any) -> dict[str, Any]:
    """A problem as the stack writes it."""
    named = {"type": f"/problems/{slug}", "title": TITLE, "status": status, "instance": "r-1", "retry": retry}
    return {name: value for name, value in {**named, **more}.items() if value is not ...}


def challenge(error: str, action: str) -> dict[str, str]:
    said = f'DPoP error="{error}", error_description="{TITLE}", action="{action}", algs="ES256"'
    return {"www-authenticate": said}


def advice() -> list[dict[str, Any]]:
    """The action by advice."""
    cases: dict[str, tuple[list[str], str]] = {
        "update-app": (["update-app"], "update-app"),
        "update-os": (["update-os"], "update-os"),
        "restart-app": (["restart-app"], "restart-app"),
        "restart-device": (["restart-device"], "restart-device"),
        "reinstall-app": (["reinstall-app"], "install-from-store"),
        "reinstall-from-store": (["reinstall-from-store"], "install-from-store"),
        "play-integrity": (["play-integrity"], "fix-play"),
        "device-integrity": (["device-integrity"], "contact-support"),
        "none": ([], "contact-support"),
        "a word of the future": (["wear-a-hat"], "contact-support"),
        "the first that is known": (["wear-a-hat", "update-os", "update-app"], "update-os"),
        "an action is no advice": (["connect"], "contact-support"),
        "in capitals": (["Update-App"], "contact-support"),
        "markup": (["<a href='https://evil.example'>update-app</a>"], "contact-support"),
    }
    return [{"case": case, "advice": words, "action": action} for case, (words, action) in cases.items()]
