"""DynamoDB without a network: rows in memory behind a real client, answered where botocore would send.

For measuring what a call costs this process. Nothing is written; transactions succeed.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

Item = Mapping[str, Any]


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_more: object) -> Iterator[bytes]:
        yield self._content


@dataclass
class StubbedTables:
    """Rows by table, and how often each operation was called."""

    rows: dict[str, list[Item]]
    calls: Counter[str] = field(default_factory=Counter)

    def attach(self, client: Any) -> None:
        """Answer every request of ``client``, a DynamoDB client."""
        client.meta.events.register_first("before-send.dynamodb", self._answer)

    def _answer(self, request: Any, **_more: object) -> AWSResponse:
        operation = _text(request.headers["X-Amz-Target"]).rpartition(".")[2]
        self.calls[operation] += 1
        members = json.loads(request.body)
        answer: dict[str, Any] = getattr(self, f"_{operation}", lambda _members: {})(members)
        content = json.dumps(answer, default=lambda binary: base64.b64encode(binary).decode("ascii")).encode("utf-8")
        headers = HTTPHeaders.from_dict({"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": "stub"})
        return AWSResponse("http://stub.test/", 200, headers, _Body(content))

    def _GetItem(self, members: Mapping[str, Any]) -> dict[str, Any]:
        found = self._find(members["TableName"], members["Key"])
        return {} if found is None else {"Item": found}

    def _BatchGetItem(self, members: Mapping[str, Any]) -> dict[str, Any]:
        answers = {
            table: [found for key in asked["Keys"] if (found := self._find(table, key)) is not None]
            for table, asked in members["RequestItems"].items()
        }
        return {"Responses": answers, "UnprocessedKeys": {}}

    def _find(self, table: str, key: Item) -> Item | None:
        return next((row for row in self.rows[table] if key.items() <= row.items()), None)


def _text(header: str | bytes) -> str:
    return header.decode("ascii") if isinstance(header, bytes) else header
