"""Keys, their names, and signatures as key stores give them."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any, Final

from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.signing import es256_from_der
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.vectors.keys import ORDER, der_signature, high_s, jwk, public_key, signature

_PRIME: Final = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_MESSAGE: Final = b"what is signed"


def thumbprints() -> dict[str, Any]:
    """``thumbprints.json``."""
    plain = jwk("phone")
    zero = next(f"zero {n}" for n in range(10_000) if public_key(f"zero {n}").x[0] == 0)
    good = {
        "plain": plain,
        "members in another order": dict(reversed(list(plain.items()))),
        "members that are no part of the thumbprint": {**plain, "kid": "k1", "use": "sig", "alg": "ES256"},
        "a coordinate that begins with a zero byte": jwk(zero),
    }
    x, y = plain["x"], plain["y"]
    padded, wide = x + "=", base64.b64encode(public_key("phone").x).decode()
    last = x[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    unused_bits = x[:-1] + alphabet[alphabet.index(last) | 1]
    short = b64url_encode(public_key(zero).x[1:])
    beyond = b64url_encode((_PRIME + 5).to_bytes(32))
    off = b64url_encode((int.from_bytes(public_key("phone").y) ^ 1).to_bytes(32))
    refused = {
        "a private key": {**plain, "d": b64url_encode(sha256(b"d").digest())},
        "a symmetric key beside the point": {**plain, "k": "AAAA"},
        "another curve": {**plain, "crv": "P-384"},
        "a curve of the same size": {**plain, "crv": "secp256k1"},
        "a curve in lower case": {**plain, "crv": "p-256"},
        "a curve with a line break": {**plain, "crv": "P-256\n"},
        "another kind of key": {**plain, "kty": "OKP"},
        "a kind of key in lower case": {**plain, "kty": "ec"},
        "no kind of key": {"crv": "P-256", "x": x, "y": y},
        "no y": {"kty": "EC", "crv": "P-256", "x": x},
        "x is a number": {**plain, "x": 7},
        "x is null": {**plain, "x": None},
        "x is empty": {**plain, "x": ""},
        "x with padding": {**plain, "x": padded},
        "x in base64 with padding": {**plain, "x": wide},
        "x with a line break": {**plain, "x": x + "\n"},
        "x with unused bits set": {**plain, "x": unused_bits},
        "x without its leading zero byte": {**jwk(zero), "x": short},
        "x with a zero byte in front": {**plain, "x": b64url_encode(b"\0" + public_key("phone").x)},
        "x at or above the prime": {**plain, "x": beyond},
        "a point off the curve": {**plain, "y": off},
        "the point at infinity": {**plain, "x": b64url_encode(bytes(32)), "y": b64url_encode(bytes(32))},
    }
    return {
        "about": "RFC 7638 thumbprints of P-256 keys, and JWKs that are none.",
        "cases": [
            *({"case": case, "jwk": key, "thumbprint": _thumbprint(key)} for case, key in good.items()),
            *({"case": case, "jwk": key, "refused": True} for case, key in refused.items()),
        ],
    }


def _thumbprint(key: dict[str, str]) -> str:
    """By hand, and not by the code that the vectors are for."""
    text = f'{{"crv":"P-256","kty":"EC","x":"{key["x"]}","y":"{key["y"]}"}}'
    return base64.urlsafe_b64encode(sha256(text.encode()).digest()).decode().rstrip("=")


def key_ids() -> dict[str, Any]:
    """``key-ids.json``."""
    point = public_key("phone").point
    zero = next(f"zero {n}" for n in range(10_000) if public_key(f"zero {n}").x[0] == 0)
    good = {"plain": point, "another key": public_key("other phone").point, "x with a zero": public_key(zero).point}
    refused = {
        "a compressed point": bytes([2 + (point[-1] & 1)]) + point[1:33],
        "a hybrid point": bytes([6 + (point[-1] & 1)]) + point[1:],
        "the coordinates alone": point[1:],
        "a byte too many": point + b"\0",
        "off the curve": point[:-1] + bytes([point[-1] ^ 1]),
        "nothing": b"",
    }
    return {
        "about": "The name of an attested key: base64url of the SHA-256 of its uncompressed point (65 bytes).",
        "cases": [
            *(
                {"case": case, "point": b64url_encode(one), "key_id": b64url_encode(sha256(one).digest())}
                for case, one in good.items()
            ),
            *({"case": case, "point": b64url_encode(one), "refused": True} for case, one in refused.items()),
        ],
    }


def signatures() -> dict[str, Any]:
    """``signatures.json``."""
    usual = der_signature("phone", _MESSAGE)
    r, s = (int.from_bytes(es256_from_der(usual)[at : at + 32]) for at in (0, 32))
    small, top = 5, 1 << 255
    good = {
        "as a key store gives it": usual,
        "r with its highest bit set": encode_dss_signature(top + 3, s),
        "s with its highest bit set": encode_dss_signature(r, top + 3),
        "r of one byte": encode_dss_signature(small, s),
        "s of one byte": encode_dss_signature(r, small),
        "both of one byte": encode_dss_signature(small, small),
        "r of 31 bytes": encode_dss_signature(r >> 8, s),
        "s in the upper half stays as it is": encode_dss_signature(r, max(s, ORDER - s)),
        "s in the lower half stays as it is": encode_dss_signature(r, min(s, ORDER - s)),
    }
    body = usual[2:]
    refused = {
        "nothing": b"",
        "r and s without DER": es256_from_der(usual),
        "a byte behind it": usual + b"\0",
        "a byte behind s, inside": b"\x30" + bytes([len(body) + 1]) + body + b"\0",
        "cut": usual[:-1],
        "only r": b"\x30\x03\x02\x01\x05",
        "three numbers": b"\x30\x09\x02\x01\x05\x02\x01\x05\x02\x01\x05",
        "a set and no sequence": b"\x31" + usual[1:],
        "a text and no number": b"\x30\x06\x04\x01\x05\x02\x01\x05",
        "indefinite length": b"\x30\x80" + body + b"\0\0",
        "a length in more bytes than it needs": b"\x30\x81" + usual[1:],
        "a number with a zero byte too many": b"\x30\x07\x02\x02\x00\x05\x02\x01\x05",
        "a negative r": b"\x30\x06\x02\x01\x85\x02\x01\x05",
        "r is zero": b"\x30\x06\x02\x01\x00\x02\x01\x05",
        "s is zero": b"\x30\x06\x02\x01\x05\x02\x01\x00",
        "an empty number": b"\x30\x05\x02\x00\x02\x01\x05",
        "r of 33 bytes": encode_dss_signature(1 << 256, s),
    }
    raw = signature("phone", _MESSAGE)
    zero, order = bytes(32), ORDER.to_bytes(32)
    verifies = {
        "a signature": (raw, True),
        "its twin with s in the upper half": (high_s(raw), True),
        "DER": (der_signature("phone", _MESSAGE), False),
        "of another key": (signature("other phone", _MESSAGE), False),
        "over another message": (signature("phone", b"something else"), False),
        "r and s exchanged": (raw[32:] + raw[:32], False),
        "a byte more": (raw + b"\0", False),
        "a byte less": (raw[:-1], False),
        "nothing": (b"", False),
        "zeros": (bytes(64), False),
        "r is zero": (zero + raw[32:], False),
        "s is zero": (raw[:32] + zero, False),
        "r is the order": (order + raw[32:], False),
        "s is the order": (raw[:32] + order, False),
        "all bits set": (b"\xff" * 64, False),
        "s larger by the order, in 33 bytes": (raw[:32] + (int.from_bytes(raw[32:]) + ORDER).to_bytes(33), False),
    }
    return {
        "about": "ECDSA by P-256 and SHA-256: `cases` from DER to r || s, `verifies` with r || s.",
        "cases": [
            *({"case": case, "der": b64url_encode(der), "raw": b64url_encode(_raw(der))} for case, der in good.items()),
            *({"case": case, "der": b64url_encode(der), "refused": True} for case, der in refused.items()),
        ],
        "jwk": jwk("phone"),
        "message": b64url_encode(_MESSAGE),
        "verifies": [
            {"case": case, "signature": b64url_encode(one), "good": good} for case, (one, good) in verifies.items()
        ],
    }


def _raw(der: bytes) -> bytes:
    """r || s of sound DER of less than 128 bytes, by hand."""
    length = der[3]
    r, s = der[4 : 4 + length], der[6 + length :]
    return r.lstrip(b"\0").rjust(32, b"\0") + s.lstrip(b"\0").rjust(32, b"\0")


def signed_bodies() -> dict[str, Any]:
    """``signed-bodies.json``."""
    bodies = {
        "empty": b"",
        "text": b"hello",
        "JSON": b'{"amount":100,"to":"bob"}',
        "the same JSON with spaces is another body": b'{"amount": 100, "to": "bob"}',
        "a line break at the end": b'{"amount":100,"to":"bob"}\n',
        "a byte order mark in front": b'\xef\xbb\xbf{"amount":100,"to":"bob"}',
        "composed": "café".encode(),
        "decomposed is another body": "cafe\u0301".encode(),
        "an emoji of four bytes": "\U0001f600".encode(),
        "no UTF-8": b"\xff\xfe\x00\x80",
        "zero bytes": bytes(3),
        "four kilobytes": bytes(range(256)) * 16,
    }
    return {
        "about": "The claim content-digest of a proof over the exact bytes of a body (RFC 9530, SHA-256).",
        "cases": [
            {"case": case, "body": b64url_encode(body), "content_digest": content_digest(body)}
            for case, body in bodies.items()
        ],
    }
