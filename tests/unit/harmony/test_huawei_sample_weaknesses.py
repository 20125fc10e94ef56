"""What Huawei's and OpenHarmony's public sample verifiers let through, one test each. ``docs/harmonyos.md`` lists them.

Each forgery is made of what the attacker really has, and would pass the check it is named after.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from attestation.errors import AttestationError, Reason
from attestation.evidence import AttestationKind, parse_evidence

from devkit.devices.authority.certificate_template import SigningCertificate, spki_of
from devkit.devices.authority.harmony import DAY, SIGNING_HOST
from devkit.devices.harmony import hostile
from devkit.devices.harmony import huks_statement as huks

from .scene import (
    DIGEST,
    ENDORSEMENTS,
    ENHANCED,
    FORGED_KEY,
    HARMONY,
    HMS,
    NEXT,
    NOW,
    OTHER_AUTHORITY,
    KeyQuestion,
    TokenQuestion,
    anchor_of,
    chain_draft,
    device_of,
    token_draft,
)


def refusal(question: KeyQuestion | TokenQuestion) -> Reason:
    with pytest.raises(AttestationError) as error:
        question.ask()
    return error.value.reason


def test_signer_issued_by_a_developers_certificate_is_refused() -> None:
    """The Java sample never looks at basic constraints, and every developer has a leaf under the root it trusts."""
    token = hostile.token_below_developer(device_of(profile=NEXT), DIGEST).seal()
    assert refusal(TokenQuestion(token=token, profile=NEXT)) is Reason.CHAIN_CA_FLAG


def test_last_certificate_of_x5c_must_be_valid_as_well() -> None:
    """The Java sample checks the dates of all certificates but the last one sent."""
    line = HARMONY.integrity_line()
    ended = SigningCertificate(line.first.key, replace(line.first.template, not_after=NOW - DAY))
    certificates = replace(line, issuers=(ended,)).chain(HARMONY.host_signer().template, root=False)
    token = replace(token_draft(NEXT), certificates=certificates).seal()
    assert refusal(TokenQuestion(token=token, profile=NEXT)) is Reason.CHAIN_EXPIRED


def test_host_that_only_contains_the_right_one_is_refused() -> None:
    """Third-party integrations look for the service's host as a substring of the name."""
    token = hostile.token_by_host(device_of(profile=HMS), DIGEST, f"{SIGNING_HOST}.evil.example").seal()
    assert refusal(TokenQuestion(token=token, profile=HMS)) is Reason.INTEGRITY_TOKEN_SIGNER


def test_token_signed_by_an_attested_app_key_is_refused() -> None:
    """Checks of chain and algorithm alone pass it: HUKS keys and the enhanced signer share root and curve."""
    token = hostile.token_by_huks_key(device_of(), DIGEST).seal()
    assert refusal(TokenQuestion(token=token, profile=ENHANCED)) is Reason.INTEGRITY_TOKEN_SIGNER


def test_algorithm_is_the_profiles_and_not_the_tokens() -> None:
    """A verifier that takes ``alg`` at its word takes ``none``."""
    token = replace(token_draft(HMS), algorithm="none").seal()
    assert refusal(TokenQuestion(token=token, profile=HMS)) is Reason.INTEGRITY_TOKEN_ALGORITHM


def test_root_in_the_chain_is_not_trusted_for_being_there() -> None:
    """``hks_verifier.c`` takes the last certificate of a chain for its root, whatever its origin."""
    chain = chain_draft(device_of(authority=OTHER_AUTHORITY.harmony)).chain()
    assert refusal(KeyQuestion(chain=chain)) is Reason.ANCHOR_UNKNOWN


def test_challenge_of_the_right_length_is_not_enough() -> None:
    """``huks_attest_verifier.cpp`` is content when the sizes agree."""
    draft = chain_draft().with_claim(huks.challenge(bytes(len(DIGEST))))
    assert refusal(KeyQuestion(chain=draft.chain())) is Reason.CHALLENGE_MISMATCH


def test_issuer_whose_name_begins_like_a_genuine_one_is_refused() -> None:
    """``security_certificate_framework`` compares a sub-CA's name by its beginning; here a name proves nothing."""
    theirs = OTHER_AUTHORITY.harmony
    draft = chain_draft(device_of(authority=theirs))
    named = replace(draft.line.first.template, subject=HARMONY.anonymous_line().first.name, issuer=HARMONY.root_name)
    line = replace(draft.line, issuers=(SigningCertificate(draft.line.first.key, named),))
    chain = replace(draft, line=line, leaf=replace(draft.leaf, issuer=named.subject), root=False).chain()
    assert refusal(KeyQuestion(chain=chain)) is Reason.ANCHOR_UNKNOWN


def test_dates_are_always_checked() -> None:
    """``security_certificate_framework`` can be told to leave them out."""
    assert refusal(KeyQuestion(chain=hostile.expired(chain_draft()).chain())) is Reason.CHAIN_EXPIRED


@pytest.mark.parametrize("forge", [hostile.leaf_signs_leaf, hostile.leaf_signs_plain_leaf])
def test_attested_key_issues_nothing(forge: object) -> None:
    """Without CA flags, every attested app key is a CA for keys that live anywhere."""
    device = device_of()
    attested = device.generate_key()
    chain = forge(device.draft(spki_of(attested), DIGEST), attested, FORGED_KEY)  # type: ignore[operator]
    assert refusal(KeyQuestion(chain=chain)) is Reason.ATTESTATION_MISPLACED


def test_key_of_another_component_is_no_key_of_the_app() -> None:
    """Root and challenge alone do not say who holds the key: the same CA certifies those of camera and location."""
    assert refusal(KeyQuestion(chain=hostile.other_component(chain_draft()).chain())) is Reason.KEY_MANAGER


def test_chain_is_judged_by_the_roots_of_its_kind() -> None:
    """One store for all of Huawei's roots lets a phone's own certificate vouch for anonymous keys."""
    chain = chain_draft(kind=AttestationKind.NON_ANONYMOUS).chain()
    only_devices = replace(ENDORSEMENTS, harmony_anonymous=(anchor_of(OTHER_AUTHORITY),))
    assert refusal(KeyQuestion(chain=chain, endorsements=only_devices)) is Reason.ANCHOR_UNKNOWN


def test_unsigned_local_check_is_no_evidence() -> None:
    """``checkSysIntegrityOnLocal`` answers with JSON that anyone can write."""
    item = {"format": "harmony-device-integrity", "profile": "next", "integrity_token": '{"basicIntegrity":true}'}
    evidence = parse_evidence(item)
    assert refusal(TokenQuestion(token=evidence.integrity_token, profile=NEXT)) is Reason.STRUCTURE_INVALID  # type: ignore[union-attr]


def test_documentation_lists_these_tests() -> None:
    """The table of ``docs/harmonyos.md`` and this file name the same."""
    page = (Path(__file__).parents[3] / "docs" / "harmonyos.md").read_text("utf-8")
    listed = set(re.findall(r"\| `(test_[a-z0-9_]+)` \|", page))
    here = {name for name in globals() if name.startswith("test_")} - {"test_documentation_lists_these_tests"}
    assert listed == here
