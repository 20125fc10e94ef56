"""One change to a good assertion, one named reason."""

from __future__ import annotations

import pytest
from attestation.errors import AttestationError

from .assertion_mutations import MUTATIONS, default_question
from .scene import Mutation


def test_default_assertion_is_verified() -> None:
    """Without a change it passes; else every refusal below would prove nothing."""
    assert default_question().ask().counter == 1


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_assertion_with_one_change_is_refused_for_that_reason(mutation: Mutation) -> None:
    """The class says whether it could be read, the reason which check caught it."""
    with pytest.raises(AttestationError) as refusal:
        mutation.make().ask()
    assert refusal.value.reason is mutation.reason
    assert type(refusal.value) is mutation.kind
