"""Sealed secrets against RFC 9180's vectors, an implementation of its own, and everything that must not open."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from attestation.sealing.sealed_secret import CannotOpen, SealedSecret, SecretBinding, open_sealed, seal
from attestation.sealing.sealing_key import SealingKey, SealingKeyStorage
from bonafide_tokens.signing import public_key_of
from cryptography.hazmat.primitives.asymmetric import ec

from tests.sealing import mint_vectors
from tests.sealing.hpke_by_hand import derive_key_pair, point_of, recipient, sender

RFC: dict[str, Any] = json.loads((Path(__file__).parent / "rfc9180.json").read_text("utf-8"))
"""The vector of this suite in base mode, from the vectors that RFC 9180 publishes, its first three encryptions."""

VECTORS: dict[str, Any] = json.loads(mint_vectors.FILE.read_text("utf-8"))
BINDING = SecretBinding("demo-stack", "demo", "A" * 43, "maps-key", 3)
SAMPLE, WHOLE = 1_000, 100_000


def key_of(scalar: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int(scalar, 16), ec.SECP256R1())


def test_rfc_vector_of_this_suite() -> None:
    """The oracle is right: key pairs, key schedule, encryptions with associated data, exports."""
    check_rfc_vector(RFC)


def check_rfc_vector(vector: dict[str, Any]) -> None:
    own, ephemeral = derive_key_pair(bytes.fromhex(vector["ikmR"])), derive_key_pair(bytes.fromhex(vector["ikmE"]))
    assert own.private_numbers().private_value == int(vector["skRm"], 16)
    assert point_of(ephemeral.public_key()).hex() == vector["enc"]
    info = bytes.fromhex(vector["info"])
    sending, receiving = sender(own.public_key(), info, ephemeral), recipient(bytes.fromhex(vector["enc"]), own, info)
    assert sending == receiving
    assert (sending.key.hex(), sending.base_nonce.hex()) == (vector["key"], vector["base_nonce"])
    assert sending.exporter_secret.hex() == vector["exporter_secret"]
    for number, message in enumerate(vector["encryptions"]):
        plain, aad = bytes.fromhex(message["pt"]), bytes.fromhex(message["aad"])
        assert sending.seal(plain, aad, number).hex() == message["ct"]
        assert receiving.open(bytes.fromhex(message["ct"]), aad, number) == plain
    for export in vector["exports"]:
        told = sending.export(bytes.fromhex(export["exporter_context"]), export["L"])
        assert told.hex() == export["exported_value"]


@pytest.mark.parametrize("size", [0, 1, 4096, 65_536])
def test_ours_and_the_oracle_open_each_others_messages(size: int) -> None:
    value = bytes(size)
    key = ec.generate_private_key(ec.SECP256R1())
    sealed = seal(value, sealing_key=public_key_of(key), binding=BINDING)
    assert recipient(sealed.enc, key, BINDING.info()).open(sealed.ciphertext) == value
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    ciphertext = sender(key.public_key(), BINDING.info(), ephemeral).seal(value)
    theirs = SealedSecret(point_of(ephemeral.public_key()), ciphertext)
    assert open_sealed(theirs, sealing_key=key, binding=BINDING) == value


def test_vectors_are_what_the_command_mints() -> None:
    """`python -m tests.sealing.mint_vectors` writes them."""
    assert json.loads(json.dumps(mint_vectors.document())) == VECTORS


@pytest.mark.parametrize("message", VECTORS["opens"], ids=lambda message: message["case"])
def test_vector_opens(message: dict[str, Any]) -> None:
    """By our own code, from the binding; its `info` is what the binding makes."""
    binding, key = SecretBinding(**message["binding"]), key_of(message["private_key"])
    assert binding.info().hex() == message["info"]
    sealed = SealedSecret(bytes.fromhex(message["enc"]), bytes.fromhex(message["ciphertext"]))
    assert open_sealed(sealed, sealing_key=key, binding=binding).hex() == message["value"]
    assert public_key_of(key).thumbprint() == message["thumbprint"]


class _Raw(SecretBinding):
    """A binding whose `info` is given: what an attacker would have a client use."""

    def info(self) -> bytes:
        return bytes.fromhex(self.name)


@pytest.mark.parametrize("message", VECTORS["refused"], ids=lambda message: message["attack"])
def test_attack_of_the_vectors_is_refused(message: dict[str, Any]) -> None:
    sealed = SealedSecret(bytes.fromhex(message["enc"]), bytes.fromhex(message["ciphertext"]))
    binding = _Raw("", "", "", message["info"], 1)
    with pytest.raises(CannotOpen):
        open_sealed(sealed, sealing_key=key_of(message["private_key"]), binding=binding)


def test_guide_has_the_vector_of_info() -> None:
    """docs/secrets.md spells it out, with blanks for the eye."""
    guide = (Path(__file__).parents[2] / "docs/secrets.md").read_text("utf-8")
    assert BINDING.info().hex() in "".join(guide.split("\n```\n")[1:]).replace(" ", "").replace("\n", "")


@pytest.mark.parametrize(
    "changes",
    [{"issuer": "demo"}, {"app": "other"}, {"key_id": "B" * 43}, {"name": "other"}, {"version": 2}, {"version": 4}],
    ids=lambda changes: "-".join(changes),
)
def test_other_binding_or_key_opens_nothing(changes: dict[str, Any]) -> None:
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    sealed = seal(b"value", sealing_key=public_key_of(key), binding=BINDING)
    for opening, binding in ((key, BINDING._replace(**changes)), (other, BINDING)):
        with pytest.raises(CannotOpen):
            open_sealed(sealed, sealing_key=opening, binding=binding)


def test_no_two_bindings_have_the_same_info() -> None:
    """Texts are told apart by their lengths: moving a character between two of them is another binding."""
    parts = ["a", "b", "c", "d"]
    moved = [
        ["ab", "", "c", "d"],
        ["", "ab", "c", "d"],
        ["a", "bc", "", "d"],
        ["a", "b", "cd", ""],
        ["a", "b", "", "cd"],
    ]
    infos = {SecretBinding(*texts, version).info() for texts in (parts, *moved) for version in (1, 2, 256)}  # type: ignore[arg-type]
    assert len(infos) == 3 * (1 + len(moved))
    for version in (0, -1, 2**53):
        with pytest.raises(ValueError, match="version"):
            BINDING._replace(version=version).info()
    with pytest.raises(ValueError, match="too long"):
        BINDING._replace(name="a" * 65_536).info()


def mutations(seed: int, count: int) -> int:
    """How many of ``count`` changed messages open. Changes: flipped bits, cut or added bytes, other points."""
    chance, opened = random.Random(seed), 0
    key = derive_key_pair(seed.to_bytes(32, "big"))
    for _ in range(count):
        sealed = seal(b"a value that is not for everyone", sealing_key=public_key_of(key), binding=BINDING)
        whole = bytearray(sealed.enc + sealed.ciphertext)
        for _ in range(chance.choice((1, 1, 1, 2, 8))):
            match chance.randrange(4):
                case 0 | 1:
                    whole[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
                case 2:
                    del whole[chance.randrange(len(whole)) :][: chance.randrange(1, 9)]
                case _:
                    place = chance.randrange(len(whole))
                    whole[place:place] = chance.randbytes(chance.randrange(1, 9))
            if len(whole) < 2:
                break
        if whole == sealed.enc + sealed.ciphertext:
            continue
        try:
            open_sealed(SealedSecret(bytes(whole[:65]), bytes(whole[65:])), sealing_key=key, binding=BINDING)
            opened += 1
        except CannotOpen:
            pass
    return opened


def test_changed_message_never_opens() -> None:
    """A sample; `make test-exhaustive` tries a hundred thousand."""
    assert mutations(1, SAMPLE) == 0


@pytest.mark.exhaustive
def test_hundred_thousand_changed_messages_never_open() -> None:
    assert mutations(2, WHOLE) == 0


def test_sealing_key_is_stored_in_34_bytes() -> None:
    key = public_key_of(ec.generate_private_key(ec.SECP256R1()))
    for storage in SealingKeyStorage:
        stored = SealingKey.of(key, storage).to_bytes()
        assert len(stored) == 34
        assert SealingKey.from_bytes(stored).public_key().point == key.point
        assert SealingKey.from_bytes(stored).storage is storage
    for damaged in (b"", b"\x01", b"\x03" + bytes(33), bytes(34), b"\x01" + bytes(34)):
        with pytest.raises(ValueError, match="no sealing key"):
            SealingKey.from_bytes(damaged)
