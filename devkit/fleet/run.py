"""Runs the fleet: every scenario once, a few at a time, and compares what it got with what it must get."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonafide.operator.admin_api import AdminApi, AdminCalls
from bonafide.operator.deployment import Deployment
from bonafide.operator.known_builds import RegisteredBuilds
from bonafide.operator.play_secrets import PlaySecretsOfApps
from bonafide.operator.registration import DEMO_APP, DEMO_APPLE_APP_ID, Registrations
from devkit.devices.authority.authority import DeviceAuthority, key_to_pem
from devkit.devices.client import Answer, ApiClient, StackUnreachable, UnexpectedAnswer
from devkit.devices.demo_app import DEMO_PACKAGE
from devkit.devices.fake_apple import developer_key
from devkit.devices.fake_google import SoftwareGoogle
from devkit.fleet import (
    assistant,
    genuine,
    genuine_android,
    genuine_harmony,
    known_builds,
    orders,
    runtime_secrets,
    signals,
)
from devkit.fleet.hostile import additional_evidence as hostile_additional_evidence
from devkit.fleet.hostile import android as hostile_android
from devkit.fleet.hostile import evidence as hostile_evidence
from devkit.fleet.hostile import harmony as hostile_harmony
from devkit.fleet.hostile import replays as hostile_replays
from devkit.fleet.hostile import requests as hostile_requests
from devkit.fleet.hostile import tokens as hostile_tokens
from devkit.fleet.operator_access import OperatorAccess
from devkit.fleet.scenario import REGISTRATIONS, SIGNALS_APP, Scenario, Scene, WrongContent, summary
from devkit.fleet.signal_policy import have_hooked_keys_blocked

SCENARIOS: Final[tuple[Scenario, ...]] = (
    *genuine.SCENARIOS,
    *genuine_android.SCENARIOS,
    *genuine_harmony.SCENARIOS,
    *orders.GENUINE,
    *assistant.GENUINE,
    *signals.GENUINE,
    *runtime_secrets.GENUINE,
    *hostile_evidence.SCENARIOS,
    *hostile_android.SCENARIOS,
    *hostile_harmony.SCENARIOS,
    *hostile_additional_evidence.SCENARIOS,
    *hostile_replays.SCENARIOS,
    *hostile_tokens.SCENARIOS,
    *hostile_requests.SCENARIOS,
    *orders.HOSTILE,
    *assistant.HOSTILE,
    *signals.HOSTILE,
    *runtime_secrets.HOSTILE,
    *known_builds.SCENARIOS,
)
"""The whole fleet."""

WORKERS: Final = 6
"""Scenarios at a time: enough to show concurrency, few enough for a laptop with two cores."""


PATIENCE: Final = 90.0
"""Seconds that a device keeps trying when the stack answers 503, as it may while many workers start at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one scenario got. ``milliseconds`` is the time of the answers that count, together."""

    scenario: Scenario
    got: tuple[str, ...]
    milliseconds: float
    right: bool
    skipped: bool = False

    def to_record(self) -> dict[str, object]:
        return {
            "device": self.scenario.device,
            "does": self.scenario.does,
            "hostile": self.scenario.hostile,
            "expected": [str(expected) for expected in self.scenario.expected],
            "got": list(self.got),
            "milliseconds": round(self.milliseconds, 1),
            "right": self.right,
            "skipped": self.skipped,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdicts of one run, in the fleet's order, and how many seconds it took."""

    verdicts: tuple[Verdict, ...]
    seconds: float

    @property
    def wrong(self) -> int:
        return sum(not verdict.right for verdict in self.verdicts)

    @property
    def skipped(self) -> int:
        return sum(verdict.skipped for verdict in self.verdicts)

    @property
    def as_expected(self) -> bool:
        """Whether there were verdicts and every one was right."""
        return bool(self.verdicts) and not self.wrong

    def to_record(self) -> dict[str, object]:
        return {
            "wrong": self.wrong,
            "skipped": self.skipped,
            "seconds": round(self.seconds, 2),
            "verdicts": [verdict.to_record() for verdict in self.verdicts],
        }


def register_apps(deployment: Deployment, admin: AdminCalls | None = None) -> None:
    """Register the fleet's apps, the builds that are known of one, and the orders backend's routes. ``admin`` is the
    Admin API where it is not to be had at the stack's address."""
    registrations = Registrations(deployment.aws("dynamodb"), deployment.tables["apps"])
    for registration in (*REGISTRATIONS, known_builds.REGISTRATION):
        registrations.put(registration)
    builds = RegisteredBuilds(admin or AdminApi(deployment))
    for build in known_builds.BUILDS:
        builds.put(known_builds.BUILDS_APP, build)
    if deployment.is_local:
        have_hooked_keys_blocked(deployment, SIGNALS_APP, runtime_secrets.RELEASE_RULE)
        runtime_secrets.store_secret(deployment, admin)
    if deployment.orders is not None:
        orders.set_routes(deployment, deployment.orders)


def entrust_play_secrets(
    deployment: Deployment, authority: DeviceAuthority, service_account: Path, admin: AdminCalls | None = None
) -> None:
    """Give the stack what opens the demo app's Play Integrity tokens: a key pair, and the stand-in's account if there
    is one; and the key by which the stand-in for Apple is asked about receipts."""
    secrets = PlaySecretsOfApps(admin or AdminApi(deployment))
    keys = SoftwareGoogle(authority.android).response_keys(DEMO_PACKAGE)
    secrets.add_keys(DEMO_APP, **keys.console_texts)
    if deployment.is_local and service_account.exists():
        secrets.set_account(DEMO_APP, service_account.read_bytes())
    if deployment.is_local:  # where a stand-in for Apple runs
        team = DEMO_APPLE_APP_ID[:10]
        key_id, key = developer_key(authority, team)
        secrets.set_device_check_key(DEMO_APP, key_to_pem(key).encode("ascii"), team_id=team, key_id=key_id)


def make_scene(deployment: Deployment, authority: DeviceAuthority) -> Scene:
    """The scene for a stack: with the operator's access where it is local."""
    return Scene(
        client=ApiClient(verifier_url=deployment.verifier_url, guarded_url=deployment.guarded_url, patience=PATIENCE),
        authority=authority,
        stranger=DeviceAuthority.create(),
        operator=OperatorAccess.of(deployment) if deployment.is_local else None,
        orders=deployment.orders,
        proxy_url=deployment.proxy_url,
    )


def wake(scene: Scene) -> None:
    """Have every function started once, one after the other: the fleet is about verdicts, not about cold starts."""
    run_scenario(scene, genuine.SCENARIOS[0])


def run_fleet(
    scene: Scene,
    scenarios: Sequence[Scenario] = SCENARIOS,
    *,
    progress: Callable[[Verdict], None] = lambda _: None,
    workers: int = WORKERS,
) -> Outcome:
    """Run ``scenarios`` on at most ``workers`` threads. ``progress`` is called for each verdict."""
    started = time.perf_counter()
    verdicts: dict[int, Verdict] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="device") as pool:
        running = {pool.submit(run_scenario, scene, scenario): at for at, scenario in enumerate(scenarios)}
        for done in as_completed(running):
            verdicts[running[done]] = done.result()
            progress(verdicts[running[done]])
    return Outcome(tuple(verdicts[at] for at in sorted(verdicts)), time.perf_counter() - started)


def run_scenario(scene: Scene, scenario: Scenario) -> Verdict:
    """One scenario against the stack. Never raises: whatever goes wrong is a wrong verdict."""
    if scenario.needs_operator and scene.operator is None:
        return Verdict(scenario=scenario, got=("needs the local stack",), milliseconds=0, right=True, skipped=True)
    if scenario.needs_proxy and not scene.proxy_url:
        return Verdict(scenario=scenario, got=("needs the proxy",), milliseconds=0, right=True, skipped=True)
    if scenario.needs_orders and scene.orders is None:
        return Verdict(scenario=scenario, got=("needs the orders backend",), milliseconds=0, right=True, skipped=True)
    answers: list[tuple[Answer, str | None]] = []
    trouble: tuple[str, ...] = ()
    try:
        for answer in scenario.act(scene):
            answers.append((answer, _reason(scene, answer)))
            if len(answers) > len(scenario.expected):
                break
    except (UnexpectedAnswer, StackUnreachable, WrongContent) as error:
        trouble = (str(error),)
    except Exception as error:  # a broken scenario must not hide the verdicts of the others
        trouble = (f"{type(error).__name__}: {error}",)
    known = scene.operator is not None
    met = [
        expected.met_by(answer, reason, reasons_known=known)
        for expected, (answer, reason) in zip(scenario.expected, answers, strict=False)
    ]
    return Verdict(
        scenario=scenario,
        got=(*(summary(answer.summary, reason) for answer, reason in answers), *trouble),
        milliseconds=sum(answer.milliseconds for answer, _ in answers),
        right=not trouble and len(answers) == len(scenario.expected) and all(met),
    )


def _reason(scene: Scene, answer: Answer) -> str | None:
    """The reason behind a refusal's support code, where there is one and the fleet may look it up."""
    code = answer.text("support_code")
    if scene.operator is None or not code or answer.status != 403:
        return None
    # Until evidence proves a key, the code is about none, unless the request named one.
    reasons = (scene.operator.reason_behind(code, key_id, now=time.time()) for key_id in (answer.key_id, ""))
    return next((reason for reason in reasons if reason is not None), None)
