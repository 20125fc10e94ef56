"""APKs held against Android's own verifier (apksigner), where it is installed: what we take, it verifies and names.

The other direction does not hold and need not: we refuse what no device reads but a stranger may have put there.
Install Debian's package ``apksigner`` to run it; without it these tests are skipped, and say so.
"""

from __future__ import annotations

import random
import re
import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives import serialization

from bonafide.artefacts.android.apk import read_apk
from bonafide.artefacts.android.selection import NEWEST_LEVEL
from bonafide.artefacts.artefact import Artefact, ArtefactError
from tests.unit.artefacts.minted_apk import (
    OWNER,
    ROTATED,
    STRANGER,
    V2,
    V3,
    V31,
    Apk,
    BlockSigner,
    JarSignature,
    lineage,
)
from tests.unit.artefacts.minted_archive import Identity

APKSIGNER: Final = shutil.which("apksigner")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(APKSIGNER is None, reason="apksigner is not installed: apt-get install apksigner"),
]

LAST: Final = 0x7FFFFFFF
PROOF, ROTATION_MIN_SDK = 0x3BA06F8C, 0x559F8B02
_NAMED: Final = re.compile(r"^Signer .*certificate SHA-256 digest: ([0-9a-f]{64})$", re.MULTILINE)


def _apksigner(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(APKSIGNER), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def _named_by_apksigner(path: Path, min_sdk: int) -> set[str] | None:
    """The certificates that apksigner names, ``None`` where it refuses the file on one of the releases.

    It prints those of the newest scheme alone, so it is asked about the releases before and after v3 came.
    """
    named: set[str] = set()
    for first, last in ((min_sdk, 27), (max(min_sdk, 28), NEWEST_LEVEL)):
        if first > last:
            continue
        levels = ("--min-sdk-version", str(first), "--max-sdk-version", str(last))
        verdict = _apksigner("verify", "--print-certs", *levels, str(path))
        if verdict.returncode != 0:
            return None
        named |= set(_NAMED.findall(verdict.stdout))
    return named


def _named_by_us(path: Path) -> Artefact | None:
    try:
        return read_apk(path)
    except ArtefactError:
        return None


def _current(artefact: Artefact) -> set[str]:
    """apksigner names current signers; that Android names the oldest of a lineage too it leaves unsaid."""
    return {signer.digest for signer in artefact.signers if signer.detail != "earlier in its lineage"}


# --- made by apksigner, read by us ------------------------------------------------------------------------------------


def _signer(identity: Identity, folder: Path, name: str) -> list[str]:
    key, certificate = folder / f"{name}.pk8", folder / f"{name}.pem"
    key.write_bytes(
        identity.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    certificate.write_text(identity.pem)
    return ["--key", str(key), "--cert", str(certificate)]


@pytest.mark.parametrize(
    ("min_sdk", "rotated", "options"),
    [
        (21, False, ()),
        (23, False, ("--v2-signing-enabled=false", "--v3-signing-enabled=false")),
        (24, False, ("--v4-signing-enabled=true",)),
        (28, False, ("--v2-signing-enabled=false",)),
        (21, True, ()),
        (24, True, ("--rotation-min-sdk-version", "28")),
        (34, True, ("--rotation-min-sdk-version", "34")),
    ],
)
def test_what_apksigner_signs_is_read(tmp_path: Path, min_sdk: int, rotated: bool, options: Sequence[str]) -> None:
    """Every signer that it names, and no other; with a lineage also the oldest certificate."""
    path, signed = tmp_path / "app.apk", tmp_path / "signed.apk"
    path.write_bytes(Apk(v1=None, blocks={}, min_sdk=min_sdk).build())
    old, new = _signer(OWNER, tmp_path, "old"), _signer(ROTATED, tmp_path, "new")
    signers = old
    if rotated:
        history = str(tmp_path / "lineage")
        made = _apksigner("rotate", "--out", history, "--old-signer", *old, "--new-signer", *new)
        assert made.returncode == 0, made.stderr
        signers = ["--lineage", history, *old, "--next-signer", *new]
    made = _apksigner("sign", "--out", str(signed), *options, *signers, str(path))
    assert made.returncode == 0, made.stderr
    artefact = read_apk(signed)
    assert _current(artefact) == _named_by_apksigner(signed, min_sdk)
    assert set(artefact.signing_digests) == ({OWNER.digest, ROTATED.digest} if rotated else {OWNER.digest})


# --- made by us, judged by both ---------------------------------------------------------------------------------------


def _drawn(dice: random.Random) -> Apk:
    """An APK whose signers, ranges and lineages are drawn: most are wrong in some way."""
    owners = (OWNER, OWNER, OWNER, ROTATED, STRANGER)
    first = dice.choice((28, 28, 28, 24, 30))
    rotation = dice.choice((33, 33, 34, 36))
    announced = {ROTATION_MIN_SDK: struct.pack("<L", dice.choice((rotation, rotation, 33)))}
    proofs: tuple[dict[int, bytes], ...] = (
        {},
        {PROOF: lineage(OWNER, ROTATED)},
        {PROOF: lineage(OWNER, ROTATED)},
        {PROOF: lineage(STRANGER, ROTATED)},
    )
    blocks: dict[int, tuple[BlockSigner, ...]] = {}
    if dice.random() < 0.8:
        blocks[V2] = tuple(BlockSigner(identity=dice.choice(owners)) for _ in range(dice.choice((1, 1, 1, 2))))
    if dice.random() < 0.8:
        old = BlockSigner(identity=dice.choice(owners), sdk=(first, LAST))
        blocks[V3] = (old,)
        if dice.random() < 0.6:
            newer = BlockSigner(identity=ROTATED, sdk=(rotation, LAST), attributes=dice.choice(proofs))
            blocks[V3] = (replace(old, sdk=(first, rotation - 1), attributes=announced),)
            blocks[dice.choice((V31, V31, V3))] = (newer,)
            if V31 not in blocks:
                blocks[V3] = (replace(old, sdk=(first, rotation - 1)), newer)
    jar = JarSignature(identity=dice.choice(owners)) if dice.random() < 0.6 or not blocks else None
    return Apk(v1=jar, blocks=blocks, min_sdk=dice.choice((21, 24, 28, 33)), files={"classes.dex": b"dex"})


@pytest.mark.parametrize(
    ("seed", "wanted"),
    [pytest.param(1, 4, id="sample"), pytest.param(2, 80, id="whole", marks=pytest.mark.exhaustive)],
)
def test_what_we_take_apksigner_verifies_and_names_alike(tmp_path: Path, seed: int, wanted: int) -> None:
    """Drawn files, until so many were taken; the ones that we refuse need no second opinion."""
    dice, path, taken, drawn = random.Random(seed), tmp_path / "app.apk", 0, 0
    while taken < wanted:
        drawn += 1
        assert drawn < 100 * wanted, "the generator draws too little that is sound"
        apk = _drawn(dice)
        path.write_bytes(apk.build())
        artefact = _named_by_us(path)
        if artefact is None or not _installs_everywhere(apk, artefact):
            continue
        taken += 1
        theirs = _named_by_apksigner(path, apk.min_sdk)
        assert theirs, apk
        # It prints signers of v3 for releases before the minimum as well; such a one is the oldest of our lineage.
        assert theirs <= set(artefact.signing_digests), apk
        # Of several signers in one v3 block it prints the last alone, whatever release it is asked about.
        assert len(apk.blocks.get(V3, ())) > 1 or _current(artefact) <= theirs, apk


def _installs_everywhere(apk: Apk, artefact: Artefact) -> bool:
    """Whether each release from the minimum on finds a scheme that it knows: apksigner refuses a file that needs
    Android 9 and says 5, and scheme v1 alone from Android 11 on, from which we take the signers all the same."""
    schemes = {signer.scheme for signer in artefact.signers}
    if schemes == {"v1"}:
        return apk.min_sdk < 30
    return (apk.min_sdk >= 24 or "v1" in schemes) and (apk.min_sdk >= 28 or bool(schemes & {"v1", "v2"}))
