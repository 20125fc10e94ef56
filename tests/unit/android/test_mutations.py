"""One change to a good attestation, one named reason. A silent acceptance or a vaguer error fails."""

from __future__ import annotations

import pytest
from attestation.android.key_attestation import STEPS
from attestation.errors import AttestationError, Reason

from .chain_mutations import CHAIN_MUTATIONS
from .key_mutations import KEY_MUTATIONS
from .scene import Mutation

MUTATIONS = (*CHAIN_MUTATIONS, *KEY_MUTATIONS)


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
    assert notes[-1] in {f"step {number}, {what}" for number, what in STEPS.items()}


def test_mutations_have_names_of_their_own() -> None:
    """Each is one law; two with one name would hide each other."""
    names = [mutation.name for mutation in MUTATIONS]
    assert len(names) == len(set(names))
