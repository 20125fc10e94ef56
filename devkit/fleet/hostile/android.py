"""Hostile Androids: chains that are false, or true of a device or an app that is not to be trusted."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256

from attestation.errors import Reason
from service.errors import Reason as ServiceReason

from devkit.devices.android import hostile as forge
from devkit.devices.android import key_description as kd
from devkit.devices.android.device import ChainDraft
from devkit.devices.authority.android import FACTORY, RKP
from devkit.devices.authority.certificate_template import spki_of
from devkit.devices.authority.der_writer import NULL, integer
from devkit.devices.client import Answer
from devkit.devices.fake_google import SoftwareGoogle
from devkit.devices.key_store_installation import AndroidInstallation
from devkit.fleet.everyday import enrol_again
from devkit.fleet.scenario import CREATED, KEY_ENROLLED, OK, REJECTED, Scene, hostile, scenarios_in

_CONTRAINDICATED = REJECTED.because(ServiceReason.APPRAISAL_CONTRAINDICATED)


def _attest_with(
    scene: Scene, forged_chain: Callable[[AndroidInstallation, ChainDraft], tuple[bytes, ...]]
) -> Iterator[Answer]:
    """One enrolment whose chain is made by ``forged_chain`` from the genuine one's draft."""
    installation = scene.android()
    client_data = installation.client_data(scene.client.challenge(installation.app))
    draft = installation.phone.draft(spki_of(installation.attested_key), sha256(client_data).digest())
    body = installation.attestation_body(client_data, forged_chain(installation, draft))
    yield scene.client.post("/v1/attestations", body)


@hostile("unlocked phone", "its bootloader is unlocked", _CONTRAINDICATED)
def _unlocked(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.android(locked=False, boot_state=kd.UNVERIFIED))


@hostile("relocked phone", "boots a self-signed system, under a key that is not listed", _CONTRAINDICATED)
def _self_signed(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.android(boot_state=kd.SELF_SIGNED, boot_key=secrets.token_bytes(32)))


@hostile("patched KeyStore", "a key in software, attested by software", _CONTRAINDICATED)
def _software_key(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.android(level=kd.SOFTWARE))


@hostile("key importer", "a key that was made elsewhere", REJECTED.because(Reason.KEY_ORIGIN))
def _imported(scene: Scene) -> Iterator[Answer]:
    imported = {702: integer(kd.IMPORTED)}
    yield from _attest_with(scene, lambda _, d: _with_hardware(d, imported))


@hostile("chain extender", "an attested key signs a forged one", REJECTED.because(Reason.KEY_DESCRIPTION_REPEATED))
def _extended_by_attestation(scene: Scene) -> Iterator[Answer]:
    forged = scene.android().attested_key
    yield from _attest_with(scene, lambda i, d: forge.extended_by_attestation(d, i.attested_key, forged))


@hostile(
    "chain extender", "an attested key signs a plain certificate", REJECTED.because(Reason.KEY_DESCRIPTION_MISPLACED)
)
def _extended_by_certificate(scene: Scene) -> Iterator[Answer]:
    forged = scene.android().attested_key
    yield from _attest_with(scene, lambda i, d: forge.extended_by_certificate(d, i.attested_key, forged))


@hostile("two-faced chain", "two statements in one certificate", REJECTED.because(Reason.KEY_DESCRIPTION_AMBIGUOUS))
def _two_descriptions(scene: Scene) -> Iterator[Answer]:
    other = {702: integer(kd.IMPORTED)}
    yield from _attest_with(scene, lambda _, d: forge.two_descriptions(d, d.description.with_hardware(other)))


@hostile("key farm", "attests keys with an attestation key of its own", REJECTED.because(Reason.ATTEST_KEY_CHAIN))
def _attestation_key(scene: Scene) -> Iterator[Answer]:
    def chain(installation: AndroidInstallation, draft: ChainDraft) -> tuple[bytes, ...]:
        own = scene.android().attested_key
        return forge.below_attestation_key(draft, own, spki_of(installation.attested_key))

    yield from _attest_with(scene, chain)


@hostile("key for all", "every app of the device may use the key", REJECTED.because(Reason.KEY_ALL_APPLICATIONS))
def _all_applications(scene: Scene) -> Iterator[Answer]:
    yield from _attest_with(scene, lambda _, d: _with_hardware(d, {600: NULL}))


@hostile(
    "leaked keybox", "a factory batch that Google revoked", REJECTED.because(Reason.CERTIFICATE_REVOKED),
    needs_operator=True,
)  # fmt: skip
def _revoked(scene: Scene) -> Iterator[Answer]:
    line = SoftwareGoogle(scene.authority.android).revoked_line(FACTORY, now=time.time())
    yield scene.attest(scene.android("pixel-5", line=line))


@hostile(
    "suspended device", "a provisioned device that Google suspended", REJECTED.because(Reason.CERTIFICATE_REVOKED),
    needs_operator=True,
)  # fmt: skip
def _suspended(scene: Scene) -> Iterator[Answer]:
    line = SoftwareGoogle(scene.authority.android).revoked_line(RKP, now=time.time())
    yield scene.attest(scene.android(line=line))


@hostile("leaked keybox", "a TEE's keybox that claims to be a StrongBox", _CONTRAINDICATED)
def _strongbox_claimed(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.android(level=kd.STRONGBOX))


@hostile("re-signed app", "our package, another signer", REJECTED.because(Reason.SIGNER_MISMATCH))
def _resigned(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.android(signer=secrets.token_bytes(32)))


@hostile("cloned app", "another package, signed by ourselves", REJECTED.because(Reason.APP_MISMATCH))
def _other_package(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.android(package="org.bonafide.demo.plus"))


@hostile("emulator", "Google's names over a root of its own", REJECTED.because(Reason.ANCHOR_UNKNOWN))
def _emulator(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.android(authority=scene.stranger.android))


@hostile("recorder", "sends a recorded Android enrolment after a renewal", CREATED, OK, KEY_ENROLLED)
def _replayed(scene: Scene) -> Iterator[Answer]:
    yield from enrol_again(scene, scene.android())


@hostile("recorder", "puts a recorded chain under a fresh challenge", REJECTED.because(Reason.CHALLENGE_MISMATCH))
def _moved_chain(scene: Scene) -> Iterator[Answer]:
    installation = scene.android()
    old = installation.client_data(scene.client.challenge(installation.app))
    chain = installation.chain(sha256(old).digest())
    fresh = installation.client_data(scene.client.challenge(installation.app))
    yield scene.client.post("/v1/attestations", installation.attestation_body(fresh, chain))


@hostile("rooted phone", "attests clean, reports hooking, renews", CREATED, _CONTRAINDICATED)
def _hooked_later(scene: Scene) -> Iterator[Answer]:
    installation = scene.android()
    yield scene.attest(installation)
    yield scene.renew(installation, signals=["hooking"])


def _with_hardware(draft: ChainDraft, changes: Mapping[int, bytes]) -> tuple[bytes, ...]:
    return replace(draft, description=draft.description.with_hardware(changes)).chain()


SCENARIOS = scenarios_in(globals())
