"""What tests and `make hpke-oracle` check in the same way."""

from __future__ import annotations

import random
from typing import Any, Final

from attestation.sealing.sealed_secret import CannotOpen, SealedSecret, SecretBinding, open_sealed, seal
from bonafide_tokens.signing import public_key_of
from cryptography.hazmat.primitives.asymmetric import ec

from tests.sealing.hpke_by_hand import derive_key_pair, point_of, recipient, sender

BINDING: Final = SecretBinding("demo-stack", "demo", "A" * 43, "maps-key", 3)
SAMPLE: Final = 1_000
WHOLE: Final = 100_000


def key_of(scalar: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int(scalar, 16), ec.SECP256R1())


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
