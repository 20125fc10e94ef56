"""One stack in two regions, in memory: tables that are shared are copied when a test says so, as global tables are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.regions.document import RegionDocument, founded, losing, restoring, sign_regions, with_region

from devkit.devices.app_instance import AppInstance
from tests.service_stack.events import json_of
from tests.service_stack.memory_stack import ISSUER, NOW, MemoryStack

EU, US = "eu", "us"
URLS = {EU: "https://eu.example/v1", US: "https://us.example/v1"}


def two_regions_document() -> RegionDocument:
    """Of a stack that began in ``eu``, and has ``us`` since epoch 2."""
    return with_region(founded(ISSUER, EU, URLS[EU], now=NOW), US, URLS[US], now=NOW)


@dataclass
class TwoRegions:
    """``eu`` and ``us``, and the documents that say so."""

    eu: MemoryStack = field(default_factory=lambda: MemoryStack(region=EU))
    document: RegionDocument = field(default_factory=two_regions_document)

    def __post_init__(self) -> None:
        self._write(self.document)  # `us` is in it before it is deployed
        self.us = MemoryStack(
            region=US,
            signing_keys=self.eu.signing_keys,
            wrapping=self.eu.wrapping,
            root_key=self.eu.root_key,
            facts=self.eu.facts,
        )
        self.eu.restart()

    def declare(self, document: RegionDocument) -> None:
        """Write a document into the shared table; processes start anew, and know it."""
        self.document = document
        self._write(document)
        self.eu.restart()
        self.us.restart()

    def _write(self, document: RegionDocument) -> None:
        self.eu.signing_keys.documents.append(sign_regions(document, sign=self.eu.root_key.sign))

    def lose(self, name: str, adopter: str) -> None:
        self.declare(losing(self.document, name, adopter, now=NOW))

    def restore(self, name: str) -> None:
        self.declare(restoring(self.document, name, now=NOW))

    def replicate(self) -> None:
        """Copy rows of keys both ways; of two, the one that was written last by its counter and date."""
        both = (self.eu.attested_keys.rows, self.us.attested_keys.rows)
        for source, target in (both, both[::-1]):
            for key_id, row in source.items():
                known = target.get(key_id)
                if known is None or (row.last_seen, row.counter or 0) > (known.last_seen, known.counter or 0):
                    target[key_id] = row


def redeem(stack: MemoryStack, device: AppInstance, challenge: str) -> dict[str, Any]:
    """The answer to a renewal with ``challenge``."""
    return stack.send("POST", "/v1/tokens", device.renewal_body(device.client_data(challenge)))


def problem(answer: Mapping[str, Any]) -> tuple[int, str, str | None]:
    """Status, slug and home of a refusal."""
    body = json_of(answer)
    return answer["statusCode"], str(body["type"]).removeprefix("/problems/"), body.get("home")


Lines = Callable[[], list[dict[str, Any]]]
