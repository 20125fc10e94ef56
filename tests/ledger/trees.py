"""Trees to try proofs on, and the mutations that no proof survives.

A size alone is not among them: two trees of different sizes can lead to a leaf by the same hashes. That is why a
checkpoint's signature is over size and root together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Final

from service.ledger.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

INCLUSION: Final = "inclusion"
CONSISTENCY: Final = "consistency"
PROOFS: Final = (INCLUSION, CONSISTENCY)


@cache
def leaves(size: int) -> tuple[bytes, ...]:
    """Leaf hashes of a tree, all different."""
    return tuple(leaf_hash(b"entry %d" % number) for number in range(size))


def reference_root(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(reference_root(hashes[:split]), reference_root(hashes[split:]))


@cache
def _root(size: int) -> bytes:
    return root_of(leaves(size))


def inclusions(size: int) -> list[str]:
    """Leaves of a tree whose proof does not hold, or holds for the leaf behind it."""
    found = []
    for index in range(size):
        proof = inclusion_proof(index, leaves(size))
        if not verify_inclusion(leaves(size)[index], index, size, proof, _root(size)):
            found.append(f"{index} of {size}")
        if verify_inclusion(leaves(size + 1)[index + 1], index, size, proof, _root(size)):
            found.append(f"another leaf at {index} of {size}")
    return found


def consistencies(size: int) -> list[str]:
    """Beginnings of a tree whose proof does not hold, or holds for the one behind it."""
    found = []
    for first in range(1, size + 1):
        proof = consistency_proof(first, leaves(size))
        if not verify_consistency(first, size, _root(first), _root(size), proof):
            found.append(f"{first} in {size}")
        if verify_consistency(first, size, _root(first + 1), _root(size), proof):
            found.append(f"another beginning at {first} in {size}")
    return found


def changed(kind: str, most: int) -> tuple[int, list[str]]:
    """How many mutations of proofs there are for trees up to a size, and those that pass all the same."""
    seen, passed = 0, []
    for size in range(1, most + 1):
        for place in range(1 if kind == CONSISTENCY else 0, size + (kind == CONSISTENCY)):
            check, given = _proof(kind, place, size)
            assert check(*given)
            for what, mutated in _mutations(given):
                seen += 1
                if check(*mutated):
                    passed.append(f"{kind} {place} of {size}: {what}")
    return seen, passed


def _proof(kind: str, place: int, size: int) -> tuple[Callable[..., bool], list[Any]]:
    """A verifier, and what it takes: hashes first, then place, size and proof."""
    if kind == INCLUSION:
        return (
            lambda leaf, root, index, of, proof: verify_inclusion(leaf, index, of, proof, root),
            [leaves(size)[place], _root(size), place, size, inclusion_proof(place, leaves(size))],
        )
    return (
        lambda old, root, first, of, proof: verify_consistency(first, of, old, root, proof),
        [_root(place), _root(size), place, size, consistency_proof(place, leaves(size))],
    )


def _mutations(given: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    one, root, place, size, proof = given
    yield "a bit of the leaf or the old root", [_flipped(one), root, place, size, proof]
    yield "a bit of the root", [one, _flipped(root), place, size, proof]
    for step in (-2, -1, 1, 2):
        yield f"place {step:+}", [one, root, place + step, size, proof]
    yield "another tree", [one, _root(size + 1), place, size, proof]
    for at, hashed in enumerate(proof):
        yield f"a bit of hash {at}", [one, root, place, size, [*proof[:at], _flipped(hashed), *proof[at + 1 :]]]
        yield f"without hash {at}", [one, root, place, size, [*proof[:at], *proof[at + 1 :]]]
        yield f"hash {at} twice", [one, root, place, size, [*proof[:at], hashed, *proof[at:]]]
        if at:
            swapped = [*proof[: at - 1], hashed, proof[at - 1], *proof[at + 1 :]]
            yield f"hashes {at - 1} and {at} swapped", [one, root, place, size, swapped]
    yield "one hash more", [one, root, place, size, [*proof, root]]


def _flipped(hashed: bytes) -> bytes:
    return bytes([hashed[0] ^ 1]) + hashed[1:]
