"""Calls on the wire: what they are called, whose they are, and what they commit."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from devkit.chaos.histories import Commit

_WORKER: Final = re.compile(r"\bapp/([A-Za-z]+)\.(\d+)")
_WRITES: Final = frozenset({"TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem", "Sign", "Encrypt"})


@dataclass(slots=True, kw_only=True)
class Call:
    """One request on a ``wire``: ``aws``, ``verifier``, ``guarded``, ``vendors`` or ``bundle``.

    ``function`` and ``pid`` are the worker's that made it, where a worker did and said so. ``name`` is the operation
    with its tables, or method and path.
    """

    number: int
    wire: str
    name: str
    service: str = ""
    operation: str = ""
    function: str = ""
    pid: int = 0
    members: Mapping[str, Any] = field(default_factory=dict, repr=False)
    began: float = field(default_factory=time.time)

    @property
    def writes(self) -> bool:
        """Whether it changes something at AWS, or has something signed."""
        return self.operation in _WRITES

    def __str__(self) -> str:
        whose = f" by {self.function}.{self.pid}" if self.pid else ""
        return f"call {self.number} ({self.wire}: {self.name}{whose}, {self.began:.3f})"


def read_call(
    number: int, wire: str, method: str, path: str, headers: Mapping[str, str], body: bytes, tables: Mapping[str, str]
) -> Call:
    """What a request is. ``headers`` have lower-case names; ``tables`` are the short names of tables by their names."""
    target = headers.get("x-amz-target", "")
    worker = _WORKER.search(headers.get("user-agent", ""))
    whose: dict[str, Any] = {"function": worker[1], "pid": int(worker[2])} if worker else {}
    if not target:
        return Call(number=number, wire=wire, name=f"{method} {urlsplit(path).path}", **whose)
    service, _, operation = target.partition(".")
    service = {"DynamoDB_20120810": "dynamodb", "TrentService": "kms"}.get(service, service)
    try:
        members = json.loads(body)
    except ValueError:
        members = {}
    named = "+".join(tables.get(name, name) for name in _tables_of(members))
    name = f"{service} {operation} {named}".strip()
    return Call(number=number, wire=wire, name=name, service=service, operation=operation, members=members, **whose)


def commits_of(call: Call, tables: Mapping[str, str], *, at: float, site: str, sure: bool) -> Iterator[Commit]:
    """What a call committed that judges ask for: nonces, and trust bundles."""
    if call.operation == "TransactWriteItems":
        token = str(call.members.get("ClientRequestToken") or f"call-{call.number}")
        parts = [(kind, part) for item in call.members.get("TransactItems", ()) for kind, part in item.items()]
        key_id = next((found for _, part in parts if (found := _key_id(part, tables))), "")
        for _, part in parts:
            if tables.get(part.get("TableName", "")) == "nonces" and "nonce" in part.get("Item", {}):
                nonce = part["Item"]["nonce"]["S"]
                yield Commit(site=site, table="nonces", name=nonce, token=token, at=at, key_id=key_id, sure=sure)
    elif call.operation == "PutItem" and tables.get(call.members.get("TableName", "")) == "trust_bundles":
        item = call.members["Item"]
        if "#" not in item["issuer"]["S"]:
            version, token = item["version"]["N"], f"call-{call.number}"
            yield Commit(site=site, table="trust_bundles", name=version, token=token, at=at, sure=sure)


def _key_id(part: Mapping[str, Any], tables: Mapping[str, str]) -> str:
    """The attested key that a part of a transaction enrols or renews; empty for another part."""
    if tables.get(part.get("TableName", "")) != "attested_keys":
        return ""
    found = part.get("Item", {}).get("key_id") or part.get("Key", {}).get("key_id") or {}
    key_id = str(found.get("S", ""))
    return "" if "/" in key_id else key_id


def _tables_of(members: Mapping[str, Any]) -> list[str]:
    if "TransactItems" in members:
        return [next(iter(part.values())).get("TableName", "") for part in members["TransactItems"]]
    if "RequestItems" in members:
        return sorted(members["RequestItems"])
    return [members["TableName"]] if "TableName" in members else []
