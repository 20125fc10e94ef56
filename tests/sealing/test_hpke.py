"""Sealed secrets against RFC 9180's vectors, an implementation of its own, and everything that must not open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attestation.sealing.sealed_secret import CannotOpen, SealedSecret, SecretBinding, open_sealed, seal
from attestation.sealing.sealing_key import SealingKey, SealingKeyStorage
from bonafide_tokens.signing import public_key_of
from cryptography.hazmat.primitives.asymmetric import ec

from tests.sealing import mint_vectors
from tests.sealing.checks import BINDING, SAMPLE, WHOLE, check_rfc_vector, key_of, mutations
from tests.sealing.hpke_by_hand import point_of, recipient, sender

RFC: dict[str, Any] = json.loads((Path(__file__).parent / "rfc9180.json").read_text("utf-8"))
"""The vector of this suite in base mode, from the vectors that RFC 9180 publishes, its first three encryptions."""

VECTORS: dict[str, Any] = json.loads(mint_vectors.FILE.read_text("utf-8"))


def test_rfc_vector_of_this_suite() -> None:
    """The oracle is right: key pairs, key schedule, encryptions with associated data, exports."""
    check_rfc_vector(RFC)


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
    every = [SecretBinding(one[0], one[1], one[2], one[3], n) for one in (parts, *moved) for n in (1, 2, 256)]
    assert len({binding.info() for binding in every}) == len(every)
    for version in (0, -1, 2**53):
        with pytest.raises(ValueError, match="version"):
            BINDING._replace(version=version).info()
    with pytest.raises(ValueError, match="too long"):
        BINDING._replace(name="a" * 65_536).info()


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
