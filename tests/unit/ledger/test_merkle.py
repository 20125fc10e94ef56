"""RFC 6962's tree and its proofs: all sizes, all leaves, and every mutation of a proof."""

from __future__ import annotations

from hashlib import sha256

import pytest
from service.ledger.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

from tests.ledger.trees import PROOFS, changed, consistencies, inclusions, leaves, reference_root

SMALL = range(1, 34)


def test_roots_of_rfc_6962s_own_tree() -> None:
    """The values that implementations of Certificate Transparency are tested by."""
    entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    hashes = [leaf_hash(bytes.fromhex(entry)) for entry in entries]

    assert root_of([]) == EMPTY_ROOT == sha256(b"").digest()
    assert root_of(hashes[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert root_of(hashes[:2]).hex() == "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    assert root_of(hashes[:5]).hex() == "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"
    assert root_of(hashes).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@pytest.mark.parametrize("size", SMALL)
def test_root_is_the_recursive_definitions(size: int) -> None:
    assert root_of(leaves(size)) == reference_root(leaves(size))


@pytest.mark.parametrize("size", SMALL)
def test_every_leaf_is_proved_and_no_other(size: int) -> None:
    assert inclusions(size) == []


@pytest.mark.parametrize("size", SMALL)
def test_every_beginning_is_proved_and_no_other(size: int) -> None:
    assert consistencies(size) == []


@pytest.mark.long
@pytest.mark.parametrize("sizes", [range(34, 130), range(255, 258), range(300, 301)], ids=["to 129", "256", "300"])
def test_larger_trees(sizes: range) -> None:
    found = [fault for size in sizes for fault in (*inclusions(size), *consistencies(size))]

    assert found == []


@pytest.mark.parametrize("kind", PROOFS)
def test_mutated_proofs_are_refused(kind: str) -> None:
    """A bit of a hash, a hash more, less or twice, two in another order, another place, size or root."""
    seen, passed = changed(kind, 21)

    assert passed == []
    assert seen > 1_000


def test_what_is_no_part_of_a_tree_has_no_proof() -> None:
    for index in (-1, 5):
        with pytest.raises(ValueError, match="no leaf"):
            inclusion_proof(index, leaves(5))
    for first in (0, 6):
        with pytest.raises(ValueError, match="no beginning"):
            consistency_proof(first, leaves(5))


def test_empty_tree_is_the_beginning_of_every_one() -> None:
    root = root_of(leaves(5))

    assert verify_consistency(0, 5, EMPTY_ROOT, root, [])
    assert not verify_consistency(0, 5, root, root, [])
    assert not verify_consistency(0, 5, EMPTY_ROOT, root, [root])
    assert not verify_consistency(6, 5, root, root, [])
    assert not verify_inclusion(leaves(1)[0], 0, 0, [], EMPTY_ROOT)
