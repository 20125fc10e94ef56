"""Genuine HarmonyOS devices: what must work, on every release, chain and integrity service."""

from __future__ import annotations

from collections.abc import Iterator

from attestation.evidence import AttestationKind, IntegrityProfile

from devkit.devices.client import Answer
from devkit.devices.harmony.device import RELEASES
from devkit.fleet.everyday import everyday
from devkit.fleet.scenario import CREATED, OK, Scenario, Scene, genuine, scenarios_in

_FIVE = (CREATED, OK, OK, OK, OK)
_SERVICES = {
    IntegrityProfile.HMS: "HMS Core's sysIntegrity",
    IntegrityProfile.NEXT: "checkSysIntegrity",
    IntegrityProfile.ENHANCED: "checkSysIntegrityEnhanced",
}


def _of(name: str, profile: IntegrityProfile, tier: str) -> Scenario:
    release = RELEASES[name]
    does = f"HUKS and {_SERVICES[profile]}: attests, reads, renews twice, writes"
    return genuine(f"{release.model}, {release.os}", does, *_FIVE)(
        lambda scene: everyday(scene, scene.harmony(name, profile=profile), tier=tier)
    )


@genuine("CLS-SW00, HarmonyOS 6.0", "an offline chain, with a CA of the device's own", *_FIVE)
def _offline(scene: Scene) -> Iterator[Answer]:
    yield from everyday(scene, scene.harmony(offline=True), tier="affirming")


@genuine("CLS-SW00, HarmonyOS 6.0", "a non-anonymous chain of a system app: a warning", *_FIVE)
def _non_anonymous(scene: Scene) -> Iterator[Answer]:
    yield from everyday(scene, scene.harmony(kind=AttestationKind.NON_ANONYMOUS), tier="warning")


@genuine("CLS-SW00, HarmonyOS 6.0", "no integrity token: nothing says how it booted, a warning", *_FIVE)
def _without_integrity(scene: Scene) -> Iterator[Answer]:
    yield from everyday(scene, scene.harmony(integrity=False), tier="warning")


@genuine("CLS-SW00, HarmonyOS 6.0", "integrity comes with the first renewal, and lifts the tier", CREATED, OK, OK, OK)
def _integrity_later(scene: Scene) -> Iterator[Answer]:
    installation = scene.harmony(integrity=False)
    session = scene.client.attest(installation)
    yield session.answer
    yield scene.whoami(installation, session.token, tier="warning")
    installation.integrity = True
    session = scene.client.renew(installation, session.next_challenge)
    yield session.answer
    yield scene.whoami(installation, session.token, tier="affirming")


@genuine("CLS-SW00, HarmonyOS 6.0", "one key for both: the attested key signs the proofs", *_FIVE)
def _one_key(scene: Scene) -> Iterator[Answer]:
    yield from everyday(scene, scene.harmony(one_key=True))


SCENARIOS: tuple[Scenario, ...] = (
    _of("harmony-5", IntegrityProfile.NEXT, "warning"),  # says neither the key's origin nor the app's mode
    _of("harmony-6", IntegrityProfile.HMS, "warning"),  # a service of Android and HarmonyOS 4 beside a newer key
    _of("harmony-6", IntegrityProfile.NEXT, "affirming"),
    _of("harmony-6", IntegrityProfile.ENHANCED, "affirming"),
    *scenarios_in(globals()),
)
