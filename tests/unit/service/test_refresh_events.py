"""events/refresh_endorsements: each is carried out as its name says, over a list in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import refresh_endorsements
from service.vendors.outbound import Answer

from tests.service_stack.memory_stack import NOW
from tests.service_stack.vendor_fakes import MemoryStatusLists

EVENTS = sorted((Path(__file__).parents[3] / "events/refresh_endorsements").glob("*.json"))
LIST = b'{"entries":{"abc":{"status":"REVOKED"}}}'


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_event_is_carried_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh honours what Google said; forced ones ask; a deployment reports; a deletion asks nothing."""
    table, asked, told = MemoryStatusLists(), [], []
    table.publish({"entries": {f"{n:x}": {"status": "REVOKED"} for n in range(1, 201)}}, NOW)
    assert table.row is not None
    object.__setattr__(table.row, "fresh_until", int(NOW) + 600)

    def fetch(*, etag: str | None) -> Answer:
        asked.append(etag)
        return Answer(200, {"content-type": "application/json"}, LIST)

    collaborators: dict[str, Any] = {"table": table, "fetch": fetch, "max_age": 86_400, "stack": "unit"}
    monkeypatch.setattr(refresh_endorsements, "wire", lambda _env: collaborators)
    monkeypatch.setattr("refresh_endorsements.time.time", lambda: NOW + 60)
    monkeypatch.setattr("service.edge.custom_resource._put", lambda _url, body: told.append(json.loads(body)))
    answer = refresh_endorsements.handler(json.loads(path.read_text("utf-8")), None)
    expected = {"refresh_at_once": "kept", "accept_shrunken": "replaced"}.get(path.stem, "fresh")
    if path.stem.startswith("custom_resource"):
        assert answer["Status"] == "SUCCESS"
        assert [one["Status"] for one in told] == ["SUCCESS"]
        if path.stem != "custom_resource_delete":
            assert answer["Data"] == {"Outcome": "fresh", "Entries": 200}
    else:
        assert answer["outcome"] == expected
    assert len(asked) == (0 if expected == "fresh" else 1)


def test_there_are_events_to_invoke_by_hand() -> None:
    """A schedule's, an operator's, and CloudFormation's three."""
    assert {path.stem for path in EVENTS} >= {"refresh", "refresh_at_once", "custom_resource_create"}
