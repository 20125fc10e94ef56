"""Hostile HarmonyOS devices: HUKS chains and integrity tokens that no genuine device or service makes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from hashlib import sha256

from attestation.errors import Reason
from attestation.evidence import IntegrityProfile
from cryptography.hazmat.primitives.asymmetric import ec
from service.errors import Reason as ServiceReason

from devkit.devices.authority.certificate_template import spki_of
from devkit.devices.client import Answer
from devkit.devices.harmony import hostile as forge
from devkit.devices.harmony.device import ChainDraft, SoftwareHarmony
from devkit.devices.harmony.integrity_draft import TokenDraft
from devkit.devices.key_store_installation import HarmonyInstallation
from devkit.fleet.everyday import enrol_again
from devkit.fleet.scenario import (
    CREATED,
    KEY_ENROLLED,
    MALFORMED_EVIDENCE,
    OK,
    REJECTED,
    Scenario,
    Scene,
    hostile,
    scenarios_in,
)

_CONTRAINDICATED = REJECTED.because(ServiceReason.APPRAISAL_CONTRAINDICATED)
_SIGNER = REJECTED.because(Reason.INTEGRITY_TOKEN_SIGNER)
_HMS, _NEXT, _ENHANCED = IntegrityProfile.HMS, IntegrityProfile.NEXT, IntegrityProfile.ENHANCED


def _attest_with(
    scene: Scene, forged_chain: Callable[[HarmonyInstallation, ChainDraft], tuple[bytes, ...]]
) -> Iterator[Answer]:
    """One enrolment whose chain is made by ``forged_chain`` from the genuine one's draft."""
    installation = scene.harmony()
    client_data = installation.client_data(scene.client.challenge(installation.app))
    draft = installation.device.draft(spki_of(installation.attested_key), sha256(client_data).digest())
    body = installation.attestation_body(client_data, forged_chain(installation, draft))
    yield scene.client.post("/v1/attestations", body)


def _attest_beside(
    scene: Scene,
    forged_token: Callable[[SoftwareHarmony, bytes], TokenDraft],
    profile: IntegrityProfile = _ENHANCED,
) -> Iterator[Answer]:
    """One enrolment with a genuine chain, and a token made by ``forged_token`` over the same client data."""
    installation = scene.harmony(profile=profile)
    client_data = installation.client_data(scene.client.challenge(installation.app))
    token = forged_token(installation.device, sha256(client_data).digest()).seal()
    body = installation.attestation_body(client_data, additional=[installation.integrity_item(token)])
    yield scene.client.post("/v1/attestations", body)


@hostile("leaf signer", "an attested key signs a forged attestation", REJECTED.because(Reason.ATTESTATION_MISPLACED))
def _leaf_signs_leaf(scene: Scene) -> Iterator[Answer]:
    forged = scene.harmony().attested_key
    yield from _attest_with(scene, lambda i, d: forge.leaf_signs_leaf(d, i.attested_key, forged))


@hostile("leaf signer", "an attested key signs a plain certificate", REJECTED.because(Reason.ATTESTATION_MISPLACED))
def _leaf_signs_plain_leaf(scene: Scene) -> Iterator[Answer]:
    forged = scene.harmony().attested_key
    yield from _attest_with(scene, lambda i, d: forge.leaf_signs_plain_leaf(d, i.attested_key, forged))


@hostile("key importer", "a HUKS key that was made elsewhere", REJECTED.because(Reason.KEY_ORIGIN))
def _imported(scene: Scene) -> Iterator[Answer]:
    yield from _attest_with(scene, lambda _, d: forge.imported_key(d).chain())


@hostile("secure camera", "a key of another component, by the same CA", REJECTED.because(Reason.KEY_MANAGER))
def _other_component(scene: Scene) -> Iterator[Answer]:
    yield from _attest_with(scene, lambda _, d: forge.other_component(d).chain())


@hostile("hoarder", "a HUKS leaf of the week before last", REJECTED.because(Reason.CHAIN_EXPIRED))
def _expired(scene: Scene) -> Iterator[Answer]:
    yield from _attest_with(scene, lambda _, d: forge.expired(d).chain())


@hostile("debug build", "a HarmonyOS build that lets debuggers in", _CONTRAINDICATED)
def _debug(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.harmony(app_mode="debug"))


@hostile("re-signed app", "our bundle, another signer", REJECTED.because(Reason.SIGNER_MISMATCH))
def _resigned(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.harmony(signer=ec.generate_private_key(ec.SECP256R1()).public_key()))


@hostile("cloned app", "another bundle", REJECTED.because(Reason.APP_MISMATCH))
def _other_bundle(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.harmony(bundle_name="org.bonafide.demo.plus"))


@hostile("emulator", "Huawei's names over a root of its own", REJECTED.because(Reason.ANCHOR_UNKNOWN))
def _emulator(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.harmony(authority=scene.stranger.harmony))


def _other_root(profile: IntegrityProfile) -> Scenario:
    does = f"a genuine key, and a {profile.value} verdict under another root"

    @hostile("verdict forger", does, REJECTED.because(Reason.ANCHOR_UNKNOWN))
    def scenario(scene: Scene) -> Iterator[Answer]:
        stranger = scene.harmony(authority=scene.stranger.harmony, profile=profile).device
        yield from _attest_beside(scene, lambda _, digest: stranger.token_draft(digest), profile)

    return scenario


_other_hms, _other_next, _other_enhanced = map(_other_root, IntegrityProfile)


@hostile("verdict forger", "a certificate for a host whose name holds the right one", _SIGNER)
def _host_suffix(scene: Scene) -> Iterator[Answer]:
    yield from _attest_beside(scene, forge.token_by_host, _NEXT)


@hostile("verdict forger", "a developer's certificate signs for HMS Core", _SIGNER)
def _developer(scene: Scene) -> Iterator[Answer]:
    yield from _attest_beside(scene, forge.token_by_developer, _HMS)


@hostile("verdict forger", "a developer's certificate issues the service's", REJECTED.because(Reason.CHAIN_CA_FLAG))
def _below_developer(scene: Scene) -> Iterator[Answer]:
    yield from _attest_beside(scene, forge.token_below_developer, _NEXT)


@hostile("verdict forger", "its own attested HUKS key signs the verdict", _SIGNER)
def _huks_key_signs(scene: Scene) -> Iterator[Answer]:
    yield from _attest_beside(scene, forge.token_by_huks_key)


@hostile("verdict forger", "a HUKS key issues the signer's very name", REJECTED.because(Reason.CHAIN_CA_FLAG))
def _below_huks_key(scene: Scene) -> Iterator[Answer]:
    yield from _attest_beside(scene, forge.token_below_huks_key)


@hostile(
    "confused app",
    "a verdict of one service, sent as another's",
    REJECTED.because(Reason.INTEGRITY_TOKEN_ALGORITHM),
)
def _other_profile(scene: Scene) -> Iterator[Answer]:
    enhanced = scene.harmony(profile=_ENHANCED).device
    yield from _attest_beside(scene, lambda _, digest: enhanced.token_draft(digest), _NEXT)


@hostile("verdict thief", "a verdict over another request", REJECTED.because(Reason.CHALLENGE_MISMATCH))
def _moved_verdict(scene: Scene) -> Iterator[Answer]:
    yield from _attest_beside(scene, lambda device, _: device.token_draft(secrets.token_bytes(32)))


@hostile("jailbroken device", "Huawei's verdict names a jailbreak", _CONTRAINDICATED)
def _jailbroken(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.harmony(basic_integrity=False, details=("jailbreak",)))


@hostile("odd device", "a good verdict with an unknown detail", _CONTRAINDICATED)
def _unknown_detail(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.harmony(details=("something-new",)))


@hostile("jailbroken device", "enrols clean, renews with a bad verdict", CREATED, _CONTRAINDICATED)
def _jailbroken_later(scene: Scene) -> Iterator[Answer]:
    installation = scene.harmony()
    yield scene.attest(installation)
    installation.device.basic_integrity = False
    yield scene.renew(installation)


@hostile("chooser", "two verdicts, so that the better one counts", MALFORMED_EVIDENCE)
def _two_verdicts(scene: Scene) -> Iterator[Answer]:
    installation = scene.harmony()
    client_data = installation.client_data(scene.client.challenge(installation.app))
    items = installation.additional(sha256(client_data).digest()) * 2
    yield scene.client.post("/v1/attestations", installation.attestation_body(client_data, additional=items))


@hostile("recorder", "sends a recorded HarmonyOS enrolment after a renewal", CREATED, OK, KEY_ENROLLED)
def _replayed(scene: Scene) -> Iterator[Answer]:
    yield from enrol_again(scene, scene.harmony())


SCENARIOS = scenarios_in(globals())
