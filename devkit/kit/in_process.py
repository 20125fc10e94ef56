"""The reference client beside a world in one process, without sockets: how tests play scenarios cheaply."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devkit.client_core.answers import MAX_ANSWER_BYTES
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.evidence_service import SecureHardware, Unanswerable
from devkit.kit.mock.world import World
from devkit.kit.programs import TestProgram
from devkit.kit.reference.device import KeyStoreFailed
from devkit.kit.reference.transport import Reply
from devkit.kit.reference_client import ReferenceProgram
from devkit.kit.run import PLACES, Result, configuration, new_world, play
from devkit.kit.scenario import Scenario

Mutation = Callable[[ReferenceProgram], None]
"""Makes a wrong client of a right one."""


@dataclass(frozen=True, slots=True)
class DirectTransport:
    """Carries requests to ``world`` by a call."""

    world: World

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, bounded: bool) -> Reply:
        said = {name.lower(): (value,) for name, value in headers.items()}
        answer = self.world.answer(method, url, said, body or b"")
        if answer is None or answer.cut:
            return Reply(None)
        lower = {name.lower(): value for name, value in answer.headers.items()}
        if bounded and len(answer.body) > MAX_ANSWER_BYTES:
            return Reply(502, lower)
        return Reply(answer.status, lower, answer.body)


def play_here(
    scenario: Scenario, authority: DeviceAuthority, *, platform: str = "android", mutate: Mutation | None = None
) -> Result:
    """Play ``scenario`` to the reference client, or to a mutant of it."""
    world, verifier, judge = new_world(authority, platform)
    urls = {place: f"http://127.0.0.1:{1001 + number}" for number, place in enumerate(PLACES)}
    world.origins.update({url: place for place, url in urls.items()})
    hardware = SecureHardware(authority)

    def ask(path: str, members: Mapping[str, object]) -> Mapping[str, Any]:
        try:
            return hardware.answer(path, members, world.now)
        except Unanswerable as error:
            raise KeyStoreFailed("attestation-failed") from error

    def start(_: World, config: Mapping[str, Any]) -> TestProgram:
        program = ReferenceProgram(config, DirectTransport(world), ask)
        if mutate is not None:
            mutate(program)
        return program

    with tempfile.TemporaryDirectory(prefix="bonafide-kit-") as folder:
        config = configuration(world, urls, state_dir=Path(folder), evidence_url="")
        return play(scenario, start, world, verifier, judge, config)
