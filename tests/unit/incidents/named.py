"""Incidents that name keys."""

from __future__ import annotations

from typing import Any

from service.detection.epochs import EPOCH_SECONDS
from service.detection.finding import Finding, Remedy
from service.incidents.incident import Incident, opened
from service.keys.fact_keys import FactKeys, FactPurpose

from tests.service_stack.fact_fakes import MemoryFacts

NOW = 1_790_000_000.0


def incident(*keys: str, **members: Any) -> Incident:
    """An open incident that names ``keys``."""
    given: dict[str, Any] = {
        "detector": "key-farm",
        "subject": "s",
        "app": "bank",
        "since": NOW - 60,
        "last": NOW,
        "title": "One device has many keys.",
        "counts": {"keys": len(keys)},
        "keys": keys,
        "confidence": 0.9,
        "because": ("5 keys",),
        "scope": "key",
        "remedy": Remedy(kind="rule", text="Refuse them."),
        "quiet_after": 3600.0,
    }
    return opened(Finding(**(given | members)), NOW)


def fact_keys() -> FactKeys:
    """The keys of a stack that has been there for an epoch."""
    facts = MemoryFacts()
    facts.rotation.run(NOW - EPOCH_SECONDS)
    return facts.keys(NOW)


def fact_key(keys: FactKeys, epoch: int) -> bytes:
    """The key of one of its epochs."""
    key = keys.find(FactPurpose.FACTS, epoch, NOW)
    assert key is not None
    return key
