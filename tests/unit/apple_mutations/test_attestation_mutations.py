"""One change to a good attestation, one named reason. A silent acceptance or a vaguer error fails."""

from __future__ import annotations

import pytest
from attestation.errors import AttestationError

from . import attestation_chain_mutations as chain
from . import attestation_content_mutations as content
from . import attestation_encoding_mutations as encoding
from .scene import Mutation

MUTATIONS = (
    *encoding.DECODING,
    *encoding.CERTIFICATES,
    *chain.CHAIN,
    *content.AUTHENTICATOR_DATA,
    *content.NONCE,
    *content.KEY,
    *content.APP,
)


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
