"""One change to a good attestation, one named reason. A silent acceptance or a vaguer error fails."""

from __future__ import annotations

import pytest
from attestation.errors import AttestationError

from .attestation_mutations import MUTATIONS
from .scene import Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_attestation_with_one_change_is_refused_for_that_reason(mutation: Mutation) -> None:
    """The class says whether it could be read, the reason which check caught it."""
    with pytest.raises(AttestationError) as refusal:
        mutation.make().ask()
    assert refusal.value.reason is mutation.reason
    assert type(refusal.value) is mutation.kind


def test_mutations_have_names_of_their_own() -> None:
    """Each is one law; two with one name would hide each other."""
    names = [mutation.name for mutation in MUTATIONS]
    assert len(names) == len(set(names))
