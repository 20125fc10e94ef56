"""The OpenHarmony simulator: kept out everywhere, and let in by its own switch with exactly two relaxations."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attestation.appraisal.appraise import appraise
from attestation.appraisal.cedar.engine import default_policy
from attestation.appraisal.result import Tier
from attestation.claims import Claims, KeyStorage
from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements
from attestation.errors import AttestationError, Reason
from attestation.evidence import HarmonyKeyAttestation
from attestation.harmony import key_attestation as ka
from attestation.reference_values import Environment, HarmonyReferenceValues, ReferenceValues
from attestation.verify import verify
from bonafide_tokens.jose import b64url_decode

from bonafide.conformance.case_file import timestamp
from devkit.devices.authority.certificate_template import Extension
from devkit.devices.harmony import huks_statement as huks
from devkit.devices.harmony.device import ChainDraft
from tests.real_cases import real_case

from .scene import (
    AUTHORITY,
    ENHANCED,
    KeyQuestion,
    TokenQuestion,
    anchor_of,
    chain_draft,
    device_of,
    token_draft,
)

SWITCHED = replace(pinned_endorsements(), harmony_simulator=(anchor_of(AUTHORITY),))
"""As the switch leaves them, with our test root in the simulator's place: no test can sign under the real one."""


def simulated() -> ChainDraft:
    """What OpenHarmony's open source writes: no key manager, an origin by the operating system, a CRL pointer of 00."""
    draft = chain_draft(device_of(app_mode="debug")).without(huks.KEY_MANAGER)
    draft = draft.with_claim(huks.key_origin(level=huks.OPERATING_SYSTEM))
    return replace(draft, leaf=draft.leaf.with_extension(Extension("2.5.29.31", b"\0")))


def refusal(question: KeyQuestion | TokenQuestion) -> Reason:
    with pytest.raises(AttestationError) as error:
        question.ask()
    return error.value.reason


def test_simulator_is_let_in_by_its_switch() -> None:
    """It verifies, and claims say in four ways what it is."""
    claims = KeyQuestion(chain=simulated().chain(), endorsements=SWITCHED).ask()
    assert claims.harmony is not None
    assert claims.harmony.simulator is True
    assert claims.chain_profile == "simulator"
    assert claims.key_storage is KeyStorage.SOFTWARE
    assert claims.environment is Environment.DEVELOPMENT
    assert ka.SIMULATOR in claims.findings
    assert Claims.of_stored_key(claims.to_record()) == claims


def test_simulator_is_refused_by_the_strict_policy_all_the_same() -> None:
    """The switch lets it verify; letting it pass takes a policy of the stage's own."""
    claims = KeyQuestion(chain=simulated().chain(), endorsements=SWITCHED).ask()
    result = appraise(claims, client_data=None, policy=default_policy())
    assert result.tier is Tier.CONTRAINDICATED
    assert "harmony-key-origin-from-os" not in [finding.rule for finding in result.findings]


def test_simulator_is_refused_without_the_switch() -> None:
    """Under Huawei's roots it ends nowhere."""
    assert refusal(KeyQuestion(chain=simulated().chain(), endorsements=pinned_endorsements())) is Reason.ANCHOR_UNKNOWN


def test_relaxations_hold_under_the_simulators_root_alone() -> None:
    """A chain under any other root needs its key manager, whether the switch is thrown or not."""
    genuine = Endorsements(
        apple_attestation=(),
        apple_receipt=(),
        harmony_anonymous=(anchor_of(AUTHORITY),),
        harmony_simulator=(TrustAnchor(b"\x30\x00", b"another key"),),
    )
    assert refusal(KeyQuestion(chain=simulated().chain(), endorsements=genuine)) is Reason.KEY_MANAGER


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (simulated().with_claim(huks.key_manager(huks.TRUSTED_SENSORS)), Reason.KEY_MANAGER),
        (simulated().with_claim(huks.key_origin(huks.IMPORTED, level=huks.OPERATING_SYSTEM)), Reason.KEY_ORIGIN),
        (simulated().with_claim(huks.challenge(bytes(32))), Reason.CHALLENGE_MISMATCH),
        (chain_draft(device_of(bundle_name="org.example.other")).without(huks.KEY_MANAGER), Reason.APP_MISMATCH),
    ],
    ids=["another component", "imported", "challenge", "app"],
)
def test_nothing_else_is_relaxed(draft: ChainDraft, reason: Reason) -> None:
    """Another component's key, an imported key, another challenge and another app stay out."""
    assert refusal(KeyQuestion(chain=draft.chain(), endorsements=SWITCHED)) is reason


def test_simulators_root_signs_no_integrity_token() -> None:
    """The switch is for HUKS attestations."""
    question = TokenQuestion(token=token_draft(ENHANCED).seal(), profile=ENHANCED, endorsements=SWITCHED)
    assert refusal(question) is Reason.ANCHOR_UNKNOWN


@pytest.mark.parametrize("purpose", ["harmony_anonymous", "harmony_enhanced"])
def test_simulators_root_listed_as_an_anchor_is_passed_over(purpose: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even endorsements that were put together by hand do not make an anchor of it."""
    anchor = anchor_of(AUTHORITY)
    monkeypatch.setattr("attestation.endorsements.is_simulator_root", lambda spki: spki == anchor.spki)
    endorsements = replace(pinned_endorsements(), **{purpose: (*SWITCHED.harmony_simulator,)})  # type: ignore[arg-type]
    question: KeyQuestion | TokenQuestion = KeyQuestion(chain=chain_draft().chain(), endorsements=endorsements)
    if purpose == "harmony_enhanced":
        question = TokenQuestion(token=token_draft(ENHANCED).seal(), profile=ENHANCED, endorsements=endorsements)
    assert refusal(question) is Reason.TRUST_ANCHORS_MISSING


def test_openharmonys_own_simulator_chain() -> None:
    """The chain that OpenHarmony's code makes: out under production roots, in behind the switch."""
    case = real_case("harmony", "huks/openharmony-simulator-under-production-roots")
    chain = tuple(map(b64url_decode, case["evidence"]["certificate_chain"]))
    expected = HarmonyReferenceValues(bundle_names=tuple(case["reference_values"]["harmony"]["bundle_names"]))

    def ask(endorsements: Endorsements) -> Claims:
        return verify(
            HarmonyKeyAttestation(chain),
            client_data_hash=b64url_decode(case["client_data_hash"]),
            reference_values=ReferenceValues(harmony=expected),
            endorsements=endorsements,
            now=timestamp(case["at"]),
        )

    with pytest.raises(AttestationError) as error:
        ask(pinned_endorsements())
    assert error.value.reason is Reason.ANCHOR_UNKNOWN
    claims = ask(pinned_endorsements().with_openharmony_simulator(chain[-1]))
    assert claims.harmony is not None
    assert claims.harmony.simulator
