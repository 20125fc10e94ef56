"""Every bit of a built app: flipped, or cut off behind it, the file is refused or says nothing new.

One file of each kind, signed in every way it can be. The whole sweeps run under the marker ``exhaustive``; every test
run takes a strided sample of each.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from bonafide.artefacts.artefact import Artefact, ArtefactError
from bonafide.artefacts.reading import read_artefact
from tests.unit.artefacts.minted_apk import OWNER, ROTATED, V2, V3, V31, Apk, BlockSigner, lineage
from tests.unit.artefacts.minted_hap import PROFILE_SIGNER, Hap
from tests.unit.artefacts.minted_ipa import Ipa

WHOLE = pytest.param(1, marks=pytest.mark.exhaustive, id="whole")
SAMPLE = pytest.param(61, id="sample")  # prime, so that every bit of a byte is met

FILES = {"classes.dex": b"dex\n035\0" * 8, "lib/arm64-v8a/libapp.so": b"\x7fELF", "assets/a.txt": b"a"}
BLOCKS = {
    V2: (BlockSigner(),),
    V3: (BlockSigner(sdk=(28, 32), attributes={0x559F8B02: b"\x21\0\0\0"}),),
    V31: (BlockSigner(identity=ROTATED, sdk=(33, 99), attributes={0x3BA06F8C: lineage(OWNER, ROTATED)}),),
}
SUBJECTS = {
    "signed.apk": Apk(files=FILES, blocks=BLOCKS, v1=None).build(),
    "jar.apk": Apk(files=FILES, blocks={}).build(),
    "app.ipa": Ipa(files={"main.jsbundle": b"var a"}).build(),
    "entry.hap": Hap(files={"ets/modules.abc": b"PANDA", "resources/rawfile/b.txt": b"b"}).build(),
}


@pytest.fixture
def reading(tmp_path: Path) -> Callable[[str, bytes], Artefact | None]:
    """What a file says, ``None`` where it is refused. Any other error is the test's failure."""

    def read(name: str, content: bytes) -> Artefact | None:
        path = tmp_path / name
        path.write_bytes(content)
        try:
            return read_artefact(path, profile_signers=(PROFILE_SIGNER.digest,))
        except ArtefactError:
            return None

    return read


Reading = Callable[[str, bytes], Artefact | None]


@pytest.mark.parametrize("stride", [WHOLE, SAMPLE])
@pytest.mark.parametrize("name", SUBJECTS)
def test_flipped_bit_is_refused_or_says_nothing_else(reading: Reading, name: str, stride: int) -> None:
    """Nothing that registration takes from a file can be changed without its signature noticing."""
    content = SUBJECTS[name]
    genuine = reading(name, content)
    assert genuine is not None
    for bit in range(0, len(content) * 8, stride):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        said = reading(name, bytes(flipped))
        assert said in (None, genuine), f"bit {bit} of {name}"


@pytest.mark.parametrize("stride", [WHOLE, SAMPLE])
@pytest.mark.parametrize("name", SUBJECTS)
def test_truncated_file_is_refused(reading: Reading, name: str, stride: int) -> None:
    """At every length."""
    content = SUBJECTS[name]
    for length in range(0, len(content), stride):
        assert reading(name, content[:length]) is None, f"{length} bytes of {name}"


@pytest.mark.parametrize("name", SUBJECTS)
def test_damaged_numbers_raise_only_our_error(reading: Reading, name: str) -> None:
    """Counts, sizes and offsets made enormous, zero or negative, wherever four bytes can hold one."""
    content, dice = SUBJECTS[name], random.Random(20_261_124)
    for _ in range(1_000):
        damaged = bytearray(content)
        for _ in range(dice.choice((1, 1, 2, 5))):
            position = dice.randrange(len(damaged) - 4)
            damaged[position : position + 4] = dice.choice(
                (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x01\0\0\0")
            )
        reading(name, bytes(damaged))
