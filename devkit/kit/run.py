"""Plays scenarios to a client, in a process of its own or in this one, and gathers what it did wrong."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bonafide.operator.registration import DEMO_APP
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.evidence_service import USUAL, EvidenceService, SecureHardware, facts
from devkit.kit.judge import Judge
from devkit.kit.mock.exchange import Request, Route
from devkit.kit.mock.guarded import Gate
from devkit.kit.mock.server import KitServer
from devkit.kit.mock.verifier import MockVerifier
from devkit.kit.mock.world import GUARDED, HOME, ISSUER, NOW, OTHER_REGION, SECOND_GUARDED, STRANGER, World
from devkit.kit.programs import BrokenProtocol, Program, TestProgram
from devkit.kit.rules import Finding, Rule
from devkit.kit.scenario import Scenario
from devkit.kit.stage import Stage

PLACES: Final = (HOME, OTHER_REGION, GUARDED, SECOND_GUARDED, STRANGER)
Start = Callable[[World, Mapping[str, Any]], TestProgram]
"""Starts the client of a scenario, from its configuration."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one scenario. ``requests`` is how many the client sent."""

    scenario: Scenario
    findings: tuple[Finding, ...]
    requests: int

    @property
    def passed(self) -> bool:
        return not self.findings

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that were violated, each once."""
        return tuple(dict.fromkeys(finding.rule for finding in self.findings))

    def to_record(self) -> dict[str, Any]:
        """For JSON."""
        findings = [{"rule": finding.rule.value, "detail": finding.detail} for finding in self.findings]
        name = self.scenario.name
        return {"scenario": name, "passed": self.passed, "requests": self.requests, "findings": findings}


def new_world(authority: DeviceAuthority, platform: str) -> tuple[World, MockVerifier, Judge]:
    """A world in good order, and what judges it."""
    world = World(authority, platform)
    gate = Gate(world)
    verifier = MockVerifier(world, gate)
    judge = Judge(world, verifier)

    def proceed(request: Request) -> Any:
        return gate.answer(request) if request.route is Route.GUARDED else verifier.answer(request)

    world.proceed, world.judge, world.judge_answer = proceed, judge.before, judge.after
    return world, verifier, judge


def configuration(world: World, urls: Mapping[str, str], *, state_dir: Path, evidence_url: str) -> dict[str, Any]:
    """What the client is built with."""
    return {
        "verifier_url": urls[HOME],
        "guarded_url": urls[GUARDED],
        "guarded_urls": [urls[GUARDED], urls[SECOND_GUARDED]],
        "regions": {HOME: urls[HOME]},
        "home": HOME,
        "app": DEMO_APP,
        "issuer": ISSUER,
        "root_set": world.root_set,
        "platform": world.platform,
        "app_build": "42",
        **facts()[world.platform],
        "release": USUAL[world.platform],
        "state_dir": str(state_dir),
        "now": NOW,
        "clock_offset": 0.0,
        "monotonic_start": 1000.0,
        "evidence_url": evidence_url,
        "seed": 7,
    }


def play(
    scenario: Scenario, start: Start, world: World, verifier: MockVerifier, judge: Judge, config: dict[str, Any]
) -> Result:
    """Play one scenario."""
    changes = dict(scenario.config)
    if changes.pop("two_regions", False):
        urls = {place: url for url, place in world.origins.items()}
        config["regions"] = {HOME: urls[HOME], OTHER_REGION: urls[OTHER_REGION]}
    config |= changes
    program = None
    try:
        program = start(world, config)
        scenario.play(Stage(world, verifier, judge, program, config))
    except BrokenProtocol as error:
        world.find(Rule.PROTOCOL, str(error))
    finally:
        if program is not None:
            program.end()
    judge.judge_jitter()
    return Result(scenario, tuple(world.findings), len(world.log))


@dataclass
class Theatre:
    """Plays scenarios to programs over HTTP on the loopback, with a fresh world and folder for each."""

    authority: DeviceAuthority
    platform: str = "android"

    def run(
        self, scenarios: Iterable[Scenario], argv: Sequence[str], *, folder: Path | None = None
    ) -> Iterator[Result]:
        """One result after the other; the client ``argv`` runs in ``folder``."""
        for scenario in scenarios:
            with self.stage() as (world, verifier, judge, config):

                def start(_: World, members: Mapping[str, Any]) -> TestProgram:
                    file = Path(members["state_dir"]).with_name("config.json")
                    file.write_text(json.dumps(members), encoding="utf-8")
                    return Program(argv, file, folder=folder)

                yield play(scenario, start, world, verifier, judge, config)

    @contextmanager
    def stage(self) -> Iterator[tuple[World, MockVerifier, Judge, dict[str, Any]]]:
        """A world that is served, and the configuration of its client."""
        world, verifier, judge = new_world(self.authority, self.platform)
        scratch = Path(tempfile.mkdtemp(prefix="bonafide-kit-"))
        (scratch / "state").mkdir()
        server, evidence = KitServer(world, PLACES), EvidenceService(SecureHardware(self.authority))
        evidence.start()
        try:
            config = configuration(world, server.urls, state_dir=scratch / "state", evidence_url=evidence.url)
            yield world, verifier, judge, config
        finally:
            server.stop()
            evidence.stop()
            shutil.rmtree(scratch, ignore_errors=True)
