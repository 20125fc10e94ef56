"""Running the fleet: what counts as right, and that nothing wrong can hide. Without a stack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest
from attestation.errors import Reason
from rich.console import Console

from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.client import Answer, ApiClient, StackUnreachable, UnexpectedAnswer
from devkit.fleet.operator_access import OperatorAccess
from devkit.fleet.report import closing_line, print_outcome
from devkit.fleet.run import SCENARIOS, Outcome, Verdict, run_fleet, run_scenario
from devkit.fleet.scenario import CREATED, OK, REJECTED, Expected, Scenario, Scene, WrongContent

GOOD = Answer(200, {}, b"{}", 1.0)
REFUSED = Answer(403, {}, b'{"type": "/problems/evidence-rejected", "support_code": "AAAAAAAA"}', 1.0, "key")


class OperatorWhoSees:
    """Stands for the operator's access: every support code means one reason."""

    def __init__(self, reason: Reason) -> None:
        self._reason = reason

    def reason_behind(self, code: str, key_id: str, *, now: float) -> Reason:
        assert (code, key_id) == ("AAAAAAAA", "key")
        assert now > 0
        return self._reason


@pytest.fixture(scope="module")
def scene() -> Scene:
    authority = DeviceAuthority.create()
    client = ApiClient(verifier_url="http://127.0.0.1:9", guarded_url="http://127.0.0.1:9")
    return Scene(client=client, authority=authority, stranger=authority, operator=None)


def _scenario(*answers: Answer | Exception, expected: tuple[Expected, ...], needs_operator: bool = False) -> Scenario:
    def act(_: Scene) -> Iterator[Answer]:
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
            yield answer

    return Scenario(device="phone", does="acts", expected=expected, act=act, needs_operator=needs_operator)


def test_expected_answers_are_right(scene: Scene) -> None:
    """Each answer meets its expectation, in order."""
    verdict = run_scenario(scene, _scenario(GOOD, REFUSED, expected=(OK, REJECTED)))
    assert verdict.right
    assert verdict.got == ("200", "403 evidence-rejected")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((REFUSED,), (OK,)),
        ((GOOD,), (REJECTED,)),
        ((GOOD,), (OK, OK)),
        ((GOOD, GOOD), (OK,)),
        ((), (OK,)),
        ((REFUSED, GOOD), (OK, REJECTED)),
        ((REFUSED,), (Expected(403, "blocked"),)),
        ((Answer(403, {}, b"", 1.0),), (REJECTED,)),
        ((GOOD, WrongContent("whoami shows another app")), (OK,)),
        ((UnexpectedAnswer(REFUSED, "POST /v1/attestations"),), (CREATED,)),
        ((StackUnreachable("No stack answers."),), (OK,)),
        ((RuntimeError("a bug in the scenario"),), (OK,)),
    ],
)
def test_anything_else_is_wrong(
    scene: Scene, answers: tuple[Answer | Exception, ...], expected: tuple[Expected, ...]
) -> None:
    """Another status, another problem, too few or too many answers, an error on the way."""
    verdict = run_scenario(scene, _scenario(*answers, expected=expected))
    assert not verdict.right
    assert not verdict.skipped


@pytest.mark.parametrize(
    ("seen", "right"), [(Reason.APP_MISMATCH, True), (Reason.CHAIN_EXPIRED, False)], ids=["that-reason", "another"]
)
def test_refusal_for_another_reason_is_wrong(scene: Scene, seen: Reason, right: bool) -> None:
    """One face hides all reasons; with the operator's access the fleet looks behind it."""
    watched = replace(scene, operator=cast(OperatorAccess, OperatorWhoSees(seen)))
    verdict = run_scenario(watched, _scenario(REFUSED, expected=(REJECTED.because(Reason.APP_MISMATCH),)))
    assert verdict.right is right
    assert verdict.got == (f"403 evidence-rejected ({seen.value})",)


def test_scenario_without_its_access_is_skipped_and_said_so(scene: Scene) -> None:
    """Skipped is neither right nor silent."""
    verdict = run_scenario(scene, _scenario(GOOD, expected=(OK,), needs_operator=True))
    assert verdict.skipped
    assert "1 skipped" in closing_line(Outcome((verdict,), 1.0))


def test_outcome_keeps_the_order_and_counts_the_wrong(scene: Scene) -> None:
    """Concurrency does not shuffle the table, and one wrong verdict spoils the whole."""
    scenarios = [_scenario(GOOD, expected=(OK if at % 5 else REJECTED,)) for at in range(20)]
    heard: list[Verdict] = []
    outcome = run_fleet(scene, scenarios, progress=heard.append, workers=4)
    assert [verdict.scenario for verdict in outcome.verdicts] == scenarios
    assert (outcome.wrong, outcome.as_expected, len(heard)) == (4, False, 20)


def test_outcome_of_nothing_is_not_as_expected() -> None:
    """An empty fleet proves nothing."""
    assert not Outcome((), 0.0).as_expected


def test_report_shows_every_device_and_every_wrong_verdict(scene: Scene) -> None:
    """A reader can find what went wrong, and a script the closing line."""
    right = run_scenario(scene, _scenario(GOOD, expected=(OK,)))
    wrong = run_scenario(scene, _scenario(RuntimeError("boom"), expected=(OK,)))
    console = Console(record=True, width=150)
    print_outcome(Outcome((right, wrong), 2.0), console)
    text = console.export_text()
    assert "RuntimeError: boom" in text
    assert "✗" in text
    assert "2 verdicts, 1 wrong" in text


def test_scenarios_are_told_apart_by_what_they_do() -> None:
    """Two rows that read alike would be one row too many."""
    names = [(scenario.device, scenario.does) for scenario in SCENARIOS]
    assert len(names) == len(set(names))


def test_fleet_has_every_device_that_was_asked_for() -> None:
    """The genuine releases, and each kind of hostility by name."""
    systems = {s.device.split(", ")[1] for s in SCENARIOS if not s.hostile and ", " in s.device}
    releases = {(os.split()[0], os.split()[1].split(".")[0]) for os in systems}
    assert releases >= {("iOS", release) for release in ("14", "16", "17", "18", "26", "27")}
    assert releases >= {("Android", release) for release in ("8", "9", "12", "13", "14", "16", "17")}
    assert releases >= {("HarmonyOS", "5"), ("HarmonyOS", "6")}
    genuine = " | ".join(f"{s.device}: {s.does}" for s in SCENARIOS if not s.hostile)
    assert all(f"schema {version}," in genuine for version in (1, 2, 3, 4, 100, 200, 300, 400, 500))
    for kind in ("StrongBox", "TEE", "factory chain", "rkp chain", "GrapheneOS", "no Google services", "classic Play",
                 "standard Play", "sysIntegrity", "checkSysIntegrity", "checkSysIntegrityEnhanced"):  # fmt: skip
        assert kind in genuine
    hostile = " | ".join(f"{s.device}: {s.does}" for s in SCENARIOS if s.hostile)
    for kind in (
        "another team",
        "another bundle id",
        "a challenge that is spent",
        "a recorded enrolment after a renewal",
        "a stolen token, without its key",
        "a proof by another key",
        "a counter that was used",
        "a challenge a minute after its time",
        "a root of its own",
        "a development key against production",
        "changes client data",
        "a debugger attached",
        "a body of 200 KB",
        "noise to every route",
        "signed by another key",
        "a token of ten minutes ago",
        "a key that never enrolled",
        "bootloader is unlocked",
        "a self-signed system",
        "a key in software",
        "a key that was made elsewhere",
        "signs a forged one",
        "signs a plain certificate",
        "two statements in one certificate",
        "a factory batch that Google revoked",
        "our package, another signer",
        "another package",
        "Google's names over a root",
        "claims to be a StrongBox",
        "a recorded Android enrolment",
        "signs a forged attestation",
        "whose name holds the right one",
        "its own attested HUKS key signs",
        "a HUKS key that was made elsewhere",
        "lets debuggers in",
        "verdict under another root",
        "a HUKS leaf of the week before last",
        "names a jailbreak",
    ):
        assert kind in hostile
