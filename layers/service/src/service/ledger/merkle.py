"""Merkle trees by RFC 6962 §2.1: roots, and proofs of inclusion and of consistency, verified as RFC 9162 §2.1 says.

A leaf and an inner node are hashed with different first bytes, so that none can pass for the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees."""
    return sha256(b"\x01" + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    peaks: list[tuple[int, bytes]] = []  # complete subtrees, by height, the largest first
    for leaf in leaves:
        height, one = 0, leaf
        while peaks and peaks[-1][0] == height:
            one, height = node_hash(peaks.pop()[1], one), height + 1
        peaks.append((height, one))
    return root_of_peaks([one for _, one in peaks])


def root_of_peaks(peaks: Sequence[bytes]) -> bytes:
    """The root over the complete subtrees that a tree consists of, the largest first."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """The hashes that lead from the leaf at ``index`` to the root (RFC 6962 §2.1.1). Raises :class:`ValueError`."""
    if not 0 <= index < len(leaves):
        raise ValueError("no leaf of the tree")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_proof(index, leaves[:split]), root_of(leaves[split:])]
    return [*inclusion_proof(index - split, leaves[split:]), root_of(leaves[:split])]


def consistency_proof(first: int, leaves: Sequence[bytes]) -> list[bytes]:
    """The hashes that show that the tree of the ``first`` leaves is the beginning of the whole one (RFC 6962 §2.1.2).
    Raises :class:`ValueError`."""
    if not 0 < first <= len(leaves):
        raise ValueError("no beginning of the tree")
    return _consistency(first, leaves, whole=True)


def _consistency(first: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if first == len(leaves):
        return [] if whole else [root_of(leaves)]
    split = _split(len(leaves))
    if first <= split:
        return [*_consistency(first, leaves[:split], whole=whole), root_of(leaves[split:])]
    return [*_consistency(first - split, leaves[split:], whole=False), root_of(leaves[:split])]


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether ``proof`` shows that the leaf stands at ``index`` of the tree of ``size`` and ``root``
    (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, found = index, size - 1, leaf
    for one in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = node_hash(one, found)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, one)
        node, last = node >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(first: int, size: int, first_root: bytes, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether ``proof`` shows that the tree of ``first`` leaves is the beginning of that of ``size``
    (RFC 9162 §2.1.4.2). The empty tree is the beginning of every one."""
    if not 0 <= first <= size:
        return False
    if first in (0, size):
        return not proof and first_root == (root if first == size else EMPTY_ROOT)
    hashes = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    if not hashes:
        return False
    node, last = first - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = hashes[0]
    for one in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(one, old), node_hash(one, new)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, one)
        node, last = node >> 1, last >> 1
    return last == 0 and old == first_root and new == root
