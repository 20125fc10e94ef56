"""Mints ``vectors/sealed-secrets.json``: sealed secrets with their keys, for clients in any language to be checked by.

``python -m tests.sealing.mint_vectors`` writes the file; a test holds it to what is written. The keys come from seeds
that the file names, by RFC 9180's DeriveKeyPair, so anyone can mint it again.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from attestation.sealing.sealed_secret import SUITE_NAME, SecretBinding
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import public_key_of
from cryptography.hazmat.primitives.asymmetric import ec

from tests.sealing.hpke_by_hand import derive_key_pair, point_of, sender

FILE: Final = Path(__file__).parents[2] / "vectors/sealed-secrets.json"
_KEY_ID: Final = "A" * 43
_SOUND: Final = SecretBinding("demo-stack", "demo", _KEY_ID, "maps-key", 3)
_CASES: Final = (
    ("sound", _SOUND, b"AIza-not-a-real-key"),
    ("empty-value-is-never-sealed-but-opens", _SOUND, b""),
    ("texts-that-are-not-ascii", SecretBinding("stück", "d\u00e9mo", _KEY_ID, "maps-key", 1), "schlüssel".encode()),
    ("large-value-and-version", _SOUND._replace(version=2**53 - 1), bytes(range(256)) * 16),
)


def document() -> dict[str, Any]:
    """The file's content."""
    messages = [_message(number, *case) for number, case in enumerate(_CASES)]
    sound = messages[0]
    key = derive_key_pair(_seed("recipient 0"))
    return {
        "suite": SUITE_NAME,
        "kem_id": 0x0010,
        "kdf_id": 0x0001,
        "aead_id": 0x0002,
        "opens": messages,
        "refused": [_refused(sound, attack, **changes) for attack, changes in _attacks(sound, key).items()],
    }


def _attacks(sound: dict[str, Any], key: ec.EllipticCurvePrivateKey) -> dict[str, dict[str, Any]]:
    def info(**changes: Any) -> str:
        return _SOUND._replace(**changes).info().hex()

    ciphertext = sound["ciphertext"]
    other = derive_key_pair(_seed("another device"))
    return {
        "sealed-to-another-device": {"private_key": _scalar(other), "public_key": point_of(other.public_key()).hex()},
        "older-version-said-to-be-new": {"info": info(version=4)},
        "secret-of-another-name": {"info": info(name="payments-key")},
        "secret-of-another-app": {"info": info(app="other")},
        "secret-of-another-key": {"info": info(key_id="B" * 43)},
        "secret-of-another-stack": {"info": info(issuer="demo-stack-2")},
        "texts-shifted-between-members": {"info": info(issuer="demo-stac", app="kdemo")},
        "changed-tag": {"ciphertext": ciphertext[:-2] + f"{int(ciphertext[-2:], 16) ^ 1:02x}"},
        "changed-value": {"ciphertext": f"{int(ciphertext[:2], 16) ^ 1:02x}" + ciphertext[2:]},
        "cut": {"ciphertext": ciphertext[:-2]},
        "another-encapsulated-key": {"enc": point_of(key.public_key()).hex()},
        "encapsulated-key-off-the-curve": {"enc": sound["enc"][:-2] + f"{int(sound['enc'][-2:], 16) ^ 1:02x}"},
        "no-encapsulated-key": {"enc": ""},
    }


def _refused(sound: dict[str, Any], attack: str, **changes: Any) -> dict[str, Any]:
    kept = {name: sound[name] for name in ("private_key", "public_key", "info", "enc", "ciphertext")}
    return {"attack": attack, **kept, **changes}


def _message(number: int, name: str, binding: SecretBinding, value: bytes) -> dict[str, Any]:
    key, ephemeral = derive_key_pair(_seed(f"recipient {number}")), derive_key_pair(_seed(f"ephemeral {number}"))
    return {
        "case": name,
        "binding": binding._asdict(),
        "info": binding.info().hex(),
        "private_key": _scalar(key),
        "public_key": point_of(key.public_key()).hex(),
        "thumbprint": public_key_of(key).thumbprint(),
        "ephemeral_private_key": _scalar(ephemeral),
        "enc": point_of(ephemeral.public_key()).hex(),
        "ciphertext": sender(key.public_key(), binding.info(), ephemeral).seal(value).hex(),
        "answer": {
            "name": binding.name,
            "version": binding.version,
            "enc": b64url_encode(point_of(ephemeral.public_key())),
            "ciphertext": b64url_encode(sender(key.public_key(), binding.info(), ephemeral).seal(value)),
        },
        "value": value.hex(),
    }


def _seed(text: str) -> bytes:
    return hashlib.sha256(f"bonafide sealed secrets, test vector, {text}".encode()).digest()


def _scalar(key: ec.EllipticCurvePrivateKey) -> str:
    return f"{key.private_numbers().private_value:064x}"


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(document(), indent=1, ensure_ascii=True) + "\n", "utf-8")
    print(FILE.name)
