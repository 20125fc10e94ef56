"""What the parts of the reference client share: configuration, device, record, and sends to the verifier."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from devkit.client_core.answers import Refusal
from devkit.client_core.clock import ClockTooWrong, clock_offset
from devkit.client_core.roots import RootSet, read_root_set
from devkit.kit.reference.device import DeviceTime, KeyStore
from devkit.kit.reference.storage import Record
from devkit.kit.reference.transport import Reply, Transport

VERSION_HEADER: Final = "bonafide-client-policy-version"


@dataclass
class App:
    """One installation. ``offset`` is added to the phone's clock; ``told_version`` is the newest policy version that an
    answer named."""

    config: Mapping[str, Any]
    device: DeviceTime
    keys: KeyStore
    transport: Transport
    chance: Random
    record: Record
    folder: Path
    offset: float = 0.0
    clock_is_wrong: bool = False
    told_version: int = 0
    reported: set[str] = field(default_factory=set)

    @property
    def home(self) -> str:
        """The region that is asked first."""
        home = self.record.home or str(self.config["home"])
        return home if home in self.regions else str(self.config["home"])

    @property
    def regions(self) -> Mapping[str, str]:
        """The verifiers that the app is built with."""
        regions: Mapping[str, str] = self.config["regions"]
        return regions

    @property
    def built_in_roots(self) -> RootSet:
        return read_root_set(self.config["root_set"])

    def now(self) -> float:
        """The phone's clock, corrected."""
        return self.device.wall() + self.offset

    def save(self) -> None:
        self.record.save(self.folder)

    def verifier(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        region: str = "",
    ) -> tuple[Reply, Refusal]:
        """Send to a region's verifier, home by default, and learn from the answer's head."""
        url = self.regions[region or self.home] + path
        said = {"Content-Type": "application/json"} if body is not None else {}
        return self.exchange(method, url, {**said, **(headers or {})}, body, bounded=True)

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, bounded: bool
    ) -> tuple[Reply, Refusal]:
        """Send, and read the head of the answer."""
        sent_at = self.device.wall()
        reply = self.transport.send(method, url, {**headers, "Kit-Time": repr(self.device.at)}, body, bounded=bounded)
        refusal = Refusal(reply.status, reply.headers, reply.text, sent_at, self.device.wall())
        if reply.status is not None and (bounded or reply.status == 401):
            self._set_clock(refusal)
        version = reply.headers.get(VERSION_HEADER, "")
        if bounded and version.isascii() and version.isdigit() and len(version) < 16:
            self.told_version = int(version)
        return reply, refusal

    def report(self, code: str) -> None:
        """Say that this device cannot attest: once per cause and start, without waiting for the answer."""
        if code in self.reported:
            return
        self.reported.add(code)
        members = {"app": self.config["app"], "code": code, "platform": self.config["platform"], **self.facts()}
        self.verifier("POST", "/v1/attestation-failures", body=json.dumps(members).encode())

    def facts(self) -> dict[str, str]:
        """What the app says of build and device."""
        return {name: str(self.config[name]) for name in ("app_build", "os", "model")}

    def _set_clock(self, refusal: Refusal) -> None:
        try:
            offset = clock_offset(refusal.headers.get("date"), sent_at=refusal.sent_at, received_at=refusal.received_at)
        except ClockTooWrong:
            self.clock_is_wrong = True
            return
        if offset is not None:
            self.offset, self.clock_is_wrong = offset, False
