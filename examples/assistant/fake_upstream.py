"""A language model's API that knows one answer: takes messages with a key, and streams server-sent events.

Its answer has the shape of Anthropic's, with usage. On the loopback alone::

    python examples/assistant/fake_upstream.py 8790 sk-your-test-key
"""

from __future__ import annotations

import hmac
import json
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

WORDS: Final = ("Attestation ", "proves ", "that ", "a ", "genuine ", "app ", "asked.")


class FakeUpstream(ThreadingHTTPServer):
    """One such API. ``key`` is what callers must show, ``pause`` the seconds between two words."""

    daemon_threads = True

    def __init__(self, port: int, key: str, pause: float = 0.05) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.key = key
        self.wait: Callable[[], object] = lambda: time.sleep(pause)


class _Handler(BaseHTTPRequestHandler):
    server: FakeUpstream

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        if not hmac.compare_digest((self.headers.get("x-api-key") or "").encode(), self.server.key.encode()):
            self._whole(401, {"type": "error", "error": {"type": "authentication_error"}})
        elif body.get("stream"):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for event in self._events(body):
                self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
                self.wfile.flush()
                self.server.wait()
        else:
            text = [{"type": "text", "text": "".join(WORDS)}]
            usage = {"input_tokens": _tokens(body), "output_tokens": len(WORDS)}
            self._whole(200, {"type": "message", "content": text, "usage": usage})

    def _events(self, body: dict[str, object]) -> Iterator[dict[str, object]]:
        yield {"type": "message_start", "message": {"usage": {"input_tokens": _tokens(body), "output_tokens": 1}}}
        for word in WORDS:
            yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": len(WORDS)}}
        yield {"type": "message_stop"}

    def _whole(self, status: int, document: dict[str, object]) -> None:
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_arguments: object) -> None:
        """Nothing: what callers say is theirs."""


def _tokens(body: dict[str, object]) -> int:
    return max(1, len(json.dumps(body.get("messages"))) // 4)


if __name__ == "__main__":
    FakeUpstream(int(sys.argv[1]), sys.argv[2]).serve_forever()
