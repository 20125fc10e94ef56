"""events/deliver_webhooks: each is what Lambda hands over, and says by its name what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path

import deliver_webhooks
import pytest

from tests.service_stack.told_incidents import AT, MemoryWebhooks, webhook
from tests.webhooks.world import QUEUE, World

EVENTS = Path(__file__).parents[3] / "events/deliver_webhooks"


@pytest.mark.parametrize(
    ("name", "again", "sent"),
    [("incident_opened", False, 1), ("delivery", False, 0), ("not_understood", True, 0)],
)
def test_event_is_done_as_its_name_says(name: str, again: bool, sent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An incident becomes a delivery; one that is not there any more is done; another message comes again."""
    assert {path.stem for path in EVENTS.glob("*.json")} == {"incident_opened", "delivery", "not_understood"}
    world = World(MemoryWebhooks(webhook("pager")))
    monkeypatch.setattr(deliver_webhooks, "wire", lambda: world.delivering)
    monkeypatch.setattr("deliver_webhooks.time.time", lambda: AT)
    event = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    failures = [{"itemIdentifier": event["Records"][0]["messageId"]}] if again else []
    assert deliver_webhooks.handler(event, None) == {"batchItemFailures": failures}
    assert len(world.queues.bodies(QUEUE)) == sent
