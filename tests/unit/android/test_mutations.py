"""One change to a good attestation, one named reason. A silent acceptance or a vaguer error fails."""

from __future__ import annotations

import pytest
from attestation.android.key_attestation import STEPS
from attestation.errors import AttestationError, Reason

from .chain_mutations import CHAIN_MUTATIONS
from .key_mutations import KEY_MUTATIONS
from .scene import Mutation

MUTATIONS = (*CHAIN_MUTATIONS, *KEY_MUTATIONS)
_AT_STEP = {
    Reason.CHAIN_LENGTH: {1, 4, 7},
    Reason.EVIDENCE_TOO_LARGE: {1},
    Reason.ENCODING_INVALID: {2, 11},
    Reason.STRUCTURE_INVALID: {2, 6, 11},
    Reason.TRUST_ANCHORS_MISSING: {4},
    Reason.ANCHOR_UNKNOWN: {4},
    Reason.CHAIN_SIGNATURE: {4},
    Reason.CHAIN_ALGORITHM: {4},
    Reason.CHAIN_ISSUER_MISMATCH: {4, 5},
    Reason.CHAIN_CA_FLAG: {6},
    Reason.CHAIN_KEY_USAGE: {6},
    Reason.CHAIN_PATH_LENGTH: {6},
    Reason.CHAIN_CRITICAL_EXTENSION: {6},
    Reason.KEY_DESCRIPTION_MISSING: {7},
    Reason.KEY_DESCRIPTION_AMBIGUOUS: {7},
    Reason.KEY_DESCRIPTION_REPEATED: {7},
    Reason.KEY_DESCRIPTION_MISPLACED: {7},
    Reason.PROVISIONING_INFO_MISPLACED: {7},
    Reason.ATTEST_KEY_CHAIN: {8},
    Reason.CHAIN_NOT_YET_VALID: {9},
    Reason.CHAIN_EXPIRED: {9},
    Reason.CERTIFICATE_REVOKED: {10},
    Reason.ENDORSEMENTS_MISSING: {10},
    Reason.ENDORSEMENTS_STALE: {10},
    Reason.CHALLENGE_MISMATCH: {12},
    Reason.KEY_ORIGIN: {14},
    Reason.ROOT_OF_TRUST_MISSING: {15},
    Reason.KEY_PURPOSE: {16},
    Reason.KEY_ALL_APPLICATIONS: {16},
    Reason.KEY_MISMATCH: {16},
    Reason.KEY_UNREADABLE: {4, 16},
    Reason.APP_MISMATCH: {17},
    Reason.SIGNER_MISMATCH: {17},
    Reason.REFERENCE_VALUES_MISSING: {17},
}
"""The numbers that docs and operators go by."""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_attestation_with_one_change_is_refused_for_that_reason(mutation: Mutation) -> None:
    """The class says whether it could be read, the reason which check caught it."""
    with pytest.raises(AttestationError) as refusal:
        mutation.make().ask()
    assert refusal.value.reason is mutation.reason
    assert type(refusal.value) is mutation.kind
    assert refusal.value.detail


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_refusal_names_its_step(mutation: Mutation) -> None:
    """An operator reads at which of the numbered steps an attestation failed."""
    with pytest.raises(AttestationError) as refusal:
        mutation.make().ask()
    if mutation.reason is Reason.REFERENCE_VALUES_MISSING and mutation.name == "app of another platform":
        return  # refused before the first step
    notes = refusal.value.__notes__
    assert notes[-1] in {f"step {number}, {STEPS[number]}" for number in _AT_STEP[mutation.reason]}


def test_steps_are_numbered_without_gaps() -> None:
    """None is named twice, none is lost."""
    assert list(STEPS) == list(range(1, 18))
    assert len(set(STEPS.values())) == 17


def test_mutations_have_names_of_their_own() -> None:
    """Each is one law; two with one name would hide each other."""
    names = [mutation.name for mutation in MUTATIONS]
    assert len(names) == len(set(names))
