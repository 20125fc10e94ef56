"""The ledger against another implementation of the same specifications, aics-tlog from PyPI (Python 3.12 or newer).

    python3.12 -m venv oracle && oracle/bin/pip install aics-tlog
    PYTHONPATH=layers/service/src:layers/tokens/src:. oracle/bin/python -m tests.ledger.oracle

Each verifies the other's proofs; tiles, entry bundles, checkpoints and keys are compared octet by octet. Exit code 1
where they differ.
"""

from __future__ import annotations

import random
from hashlib import sha256

import aics_tlog.checkpoint
import aics_tlog.note
import aics_tlog.tiles
import aics_tlog.tree
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from service.ledger import merkle, notes, tiles

MOST = 300
ORIGIN = "ledger.example.com/demo"


def proofs() -> tuple[int, int]:
    """Proofs compared, and those that differ or that one of the two refuses."""
    seen = differ = 0
    data = [b"entry %d" % number for number in range(MOST)]
    other = aics_tlog.tree.MerkleTree()
    for entry in data:
        other.append(entry)
    leaves = [merkle.leaf_hash(entry) for entry in data]
    roots = [merkle.root_of(leaves[:size]) for size in range(MOST + 1)]
    for size in range(1, MOST + 1):
        differ += other.root(size) != roots[size]
        for index in random.Random(size).sample(range(size), min(size, 6)):
            ours, theirs = merkle.inclusion_proof(index, leaves[:size]), other.inclusion_proof(index, size)
            good = aics_tlog.tree.verify_inclusion(leaves[index], index, size, ours, roots[size])
            seen, differ = seen + 1, differ + (list(theirs) != ours or not good)
            first = index + 1
            ours, theirs = merkle.consistency_proof(first, leaves[:size]), other.consistency_proof(first, size)
            good = aics_tlog.tree.verify_consistency(first, size, roots[first], roots[size], ours)
            seen, differ = seen + 1, differ + (list(theirs) != ours or not good)
    return seen, differ


def paths() -> tuple[int, int]:
    """Paths of tiles and bundles compared, and those that differ."""
    seen = differ = 0
    for index in [*range(2_000), 999_999, 1_000_000, 1_234_067]:
        for width in (1, 255, 256):
            partial = None if width == tiles.WIDTH else width
            differ += tiles.tile_path(1, index, width) != aics_tlog.tiles.tile_path(1, index, partial)
            differ += tiles.tile_path("entries", index, width) != aics_tlog.tiles.entry_bundle_path(index, partial)
            seen += 2
    return seen, differ


def heads() -> tuple[int, int]:
    """Checkpoints that each signs and the other reads, and those that are refused or differ."""
    differ = 0
    private = Ed25519PrivateKey.from_private_bytes(sha256(b"oracle").digest())
    key = notes.NoteKey(ORIGIN, private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    theirs = aics_tlog.note.parse_vkey(str(key))
    differ += aics_tlog.note.format_vkey(theirs) != str(key)
    for size in range(100):
        head = notes.Checkpoint(ORIGIN, size, sha256(b"%d" % size).digest())
        signed = notes.signed_note(head.text, key, private.sign)
        read = aics_tlog.checkpoint.verify_checkpoint(aics_tlog.note.parse_note(signed), theirs, expected_origin=ORIGIN)
        differ += not read.ok
        changed = aics_tlog.note.parse_note(signed.replace(f"\n{size}\n", f"\n{size + 1}\n"))
        differ += aics_tlog.checkpoint.verify_checkpoint(changed, theirs, expected_origin=ORIGIN).ok
    return 100, differ


def main() -> int:
    """A line for each comparison."""
    wrong = 0
    for compare in (proofs, paths, heads):
        seen, differ = compare()
        print(f"{compare.__name__}: {seen} compared, {differ} differ")
        wrong += differ
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
