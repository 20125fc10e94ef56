"""One change to good HarmonyOS evidence, one named reason. A silent acceptance or a vaguer error fails."""

from __future__ import annotations

import pytest
from attestation.errors import AttestationError
from attestation.harmony.key_attestation import STEPS

from bonafide.inspect.harmony import HARMONY_STEPS

from .chain_mutations import CHAIN_MUTATIONS
from .scene import KeyQuestion, Mutation, chain_draft
from .statement_mutations import STATEMENT_MUTATIONS
from .token_content_mutations import TOKEN_CONTENT_MUTATIONS
from .token_mutations import TOKEN_MUTATIONS

MUTATIONS = (*CHAIN_MUTATIONS, *STATEMENT_MUTATIONS, *TOKEN_MUTATIONS, *TOKEN_CONTENT_MUTATIONS)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_evidence_with_one_change_is_refused_for_that_reason(mutation: Mutation) -> None:
    """The class says whether it could be read, the reason which check caught it."""
    question = mutation.make()
    with pytest.raises(AttestationError) as refusal:
        question.ask()
    assert (refusal.value.reason, type(refusal.value)) == (mutation.reason, mutation.kind)
    assert refusal.value.detail


def test_steps_are_numbered_without_gaps() -> None:
    """None is named twice, none is lost."""
    assert list(STEPS) == list(range(1, 9))
    assert len(set(STEPS.values())) == 8
    KeyQuestion(chain=chain_draft().chain()).ask()


def test_mutations_have_names_of_their_own() -> None:
    """Each is one law; two with one name would hide each other."""
    names = [mutation.name for mutation in MUTATIONS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("form", HARMONY_STEPS, ids=HARMONY_STEPS)
def test_every_reason_that_has_a_step_has_a_mutation(form: str) -> None:
    """A reason that no test provokes may have stopped being given."""
    keys = form == "harmony-key-attestation"
    provoked = {m.reason for m in MUTATIONS if isinstance(m.make(), KeyQuestion) is keys}
    assert set(HARMONY_STEPS[form]) <= provoked
