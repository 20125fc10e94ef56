"""The proxy as it runs on a laptop: its own process, Runtime API and REST API, over the AWS stand-in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from tests.integration.streaming_stand import RunningProxy, running_proxy

pytestmark = pytest.mark.ministack


@pytest.fixture(scope="module")
def proxy(ministack_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProxy]:
    """One for this module: its process takes a second to start."""
    with running_proxy(ministack_url, tmp_path_factory.mktemp("proxy")) as running:
        yield running


def test_events_pass_through_one_by_one(proxy: RunningProxy) -> None:
    """The upstream goes on only when the app has what came before: through filter, loop, Runtime API and REST API."""
    goes_on = threading.Semaphore(0)
    proxy.local.upstream.wait = lambda: goes_on.acquire(timeout=20)
    answer = proxy.call()
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
    words = []
    for _ in range(7):
        event = b""
        while not event.endswith(b"\n\n"):
            piece = answer.read1()
            assert piece, "the answer ended"
            event += piece
        words.append(json.loads(event.partition(b"data: ")[2]).get("delta", {}).get("text", ""))
        goes_on.release()
    for _ in range(9):
        goes_on.release()
    assert "".join(words) == "Attestation proves that a genuine app "
    assert b"message_stop" in answer.read()
    logged = (proxy.local.layout.logs / "RelayUpstreamFunction.log").read_text("utf-8")
    assert '"outcome": "accepted"' in logged
    assert proxy.local.key not in logged
    assert "genuine" not in logged


def test_whole_answers_pass_too(proxy: RunningProxy) -> None:
    """With the upstream's usage settled."""
    document = json.loads(proxy.call(stream=False).read())
    assert document["content"][0]["text"] == "Attestation proves that a genuine app asked."


def test_without_token_and_proof_there_is_no_answer(proxy: RunningProxy) -> None:
    """The thief."""
    answer = proxy.call(show=False)
    assert answer.status == 401
    assert json.loads(answer.read())["type"] == "/problems/unauthorized"


def test_another_key_at_the_upstream_is_the_teams_mistake(proxy: RunningProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told as such, without what the upstream said."""
    monkeypatch.setattr(proxy.local.upstream, "key", "another")
    answer = proxy.call()
    assert answer.status == 502
    assert json.loads(answer.read())["type"] == "/problems/upstream-credential"
