"""The reference client's test program: ``python -m devkit.kit.reference_client CONFIG``.

Reads one JSON command per line and answers one line each, as docs/client-kit.md says. Client libraries in other
languages have a program like it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bonafide_tokens.jose import b64url_encode

from devkit.kit.reference.app import App
from devkit.kit.reference.client import Client, shown
from devkit.kit.reference.device import Ask, DeviceTime, KeyStore, seeded
from devkit.kit.reference.errors import Shown
from devkit.kit.reference.storage import Record
from devkit.kit.reference.transport import HttpTransport, Transport, hardware_over_http


@dataclass
class ReferenceProgram:
    """The program, with its app on a device of its own. ``transport`` and ``ask`` carry it; HTTP unless given."""

    config: Mapping[str, Any]
    transport: Transport | None = None
    ask: Ask | None = None
    make: Callable[[App], Client] = Client
    app: App = field(init=False)
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        config, folder = self.config, Path(self.config["state_dir"])
        device = DeviceTime(config["now"], config["clock_offset"], config["monotonic_start"])
        transport = self.transport or HttpTransport()
        ask = self.ask or hardware_over_http(transport, config["evidence_url"], lambda: device.at)
        self.app = App(
            config=config,
            device=device,
            keys=KeyStore(config["platform"], folder, ask, config["app"], config["app_build"]),
            transport=transport,
            chance=seeded(config["seed"]),
            record=Record.load(folder),
            folder=folder,
        )
        self.client = self.make(self.app)

    def command(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """Do a command."""
        act = _COMMANDS.get(str(members.get("do")))
        try:
            return {"unsupported": True} if act is None else act(self, members)
        except Shown as error:
            return shown(error.error)

    def end(self) -> None:
        """Nothing is left behind."""

    def request(self, members: Mapping[str, Any]) -> dict[str, Any]:
        count = int(members.get("count", 1))
        if count == 1:
            return {"answers": [self._one(members)]}
        with ThreadPoolExecutor(count) as callers:
            return {"answers": list(callers.map(self._one, [members] * count))}

    def policy(self, _: Mapping[str, Any]) -> dict[str, Any]:
        policies = self.client.policies
        policies.look()
        version = 0 if policies.held is None else policies.held.version
        return {
            "version": version,
            "reactions": dict(policies.rules.reactions),
            "features_off": sorted(policies.rules.features_off),
            "stopped": policies.stopped(),
        }

    def signal(self, members: Mapping[str, Any]) -> dict[str, Any]:
        return {"status": self.client.signal(members["name"], members.get("detail")).status}

    def secret(self, members: Mapping[str, Any]) -> dict[str, Any]:
        value, version = self.client.secret(members["name"])
        return {"value": b64url_encode(value), "version": version}

    def restart(self, _: Mapping[str, Any]) -> dict[str, Any]:
        app = self.app
        app.record, app.offset, app.told_version = Record.load(app.folder), 0.0, 0
        app.clock_is_wrong = False
        app.reported.clear()
        self.client = self.make(app)
        return {}

    def lose_key(self, _: Mapping[str, Any]) -> dict[str, Any]:
        self.app.keys.lose()
        return {}

    def cannot_attest(self, members: Mapping[str, Any]) -> dict[str, Any]:
        self.app.keys.broken = members["code"]
        return {}

    def advance(self, members: Mapping[str, Any]) -> dict[str, Any]:
        self.app.device.pass_(float(members["seconds"]))
        return {}

    def _one(self, members: Mapping[str, Any]) -> dict[str, Any]:
        text = members.get("body")
        try:
            reply = self.client.request(
                members["method"],
                members["path"],
                None if text is None else text.encode("utf-8"),
                feature=members.get("feature"),
                patience=float(members.get("deadline", 30)),
            )
        except Shown as error:
            return shown(error.error)
        return {"status": reply.status, "body": reply.text}


_COMMANDS: Mapping[str, Callable[[ReferenceProgram, Mapping[str, Any]], dict[str, Any]]] = {
    "request": ReferenceProgram.request,
    "policy": ReferenceProgram.policy,
    "signal": ReferenceProgram.signal,
    "secret": ReferenceProgram.secret,
    "restart": ReferenceProgram.restart,
    "lose-key": ReferenceProgram.lose_key,
    "cannot-attest": ReferenceProgram.cannot_attest,
    "advance": ReferenceProgram.advance,
}


def main() -> None:
    """Answer commands until ``quit`` or the end of the input."""
    program = ReferenceProgram(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    for line in sys.stdin:
        members = json.loads(line)
        if members.get("do") == "quit":
            return
        sys.stdout.write(json.dumps(program.command(members)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
