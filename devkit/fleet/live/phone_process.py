"""A phone that attests for others: a process of its own, as a broker's phones are, which a customer's process asks.

``python -m devkit.fleet.live.phone_process AUTHORITY APP`` reads one request a line from standard input and answers it
on one line: ``{"seen": …, "enrols": true, "client_data": …}`` → the body that proves these bytes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from service.detection.sighting import Sighting

from devkit.devices.authority.authority import DeviceAuthority
from devkit.fleet.live.cast import Cast, Player, sighting_of, sighting_text

_ENDS_IN: float = 10.0


@dataclass(slots=True)
class PhoneProcess:
    """The process, as a customer sees it. To be used in a ``with`` block; for several threads."""

    authority: Path
    app: str
    _process: subprocess.Popen[str] | None = None
    _lock: Lock = field(default_factory=Lock)

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "devkit.fleet.live.phone_process", str(self.authority), self.app]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                process.wait(_ENDS_IN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def body(self, seen: Sighting, client_data: bytes, *, enrols: bool) -> Mapping[str, Any]:
        """The body that the phone makes for ``client_data``. Raises :class:`RuntimeError` where the process is gone."""
        asked = {"seen": sighting_text(seen), "enrols": enrols, "client_data": client_data.decode()}
        with self._lock:
            process = self._process
            if process is None or process.stdin is None or process.stdout is None:
                raise RuntimeError("the phones' process was not started")
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        if not answer:
            raise RuntimeError("the phones' process ended")
        body: Mapping[str, Any] = json.loads(answer)
        return body


def main(arguments: Sequence[str]) -> None:
    """Answer until standard input ends."""
    authority, app = arguments
    cast, players = Cast(DeviceAuthority.load(Path(authority)), app), dict[str, Player]()
    for line in sys.stdin:
        asked = json.loads(line)
        seen = sighting_of(asked["seen"])
        player = players.get(seen.key_id)
        if player is None:
            player = players[seen.key_id] = cast.player(seen)
        client_data = asked["client_data"].encode()
        phone = player.installation
        body = phone.attestation_body(client_data) if asked["enrols"] else phone.renewal_body(client_data)
        print(json.dumps(body), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
