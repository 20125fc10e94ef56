"""Requests that no route which asks for a signature may let pass, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping

from tests.unit.gate.signed_calls import BY_NAME, DIGEST, TOKEN, parameters, signature_of, signed_call
from tests.unit.gate.stand import NOW, Call, public_key


def without(name: str) -> tuple[str, ...]:
    return tuple(item for item in BY_NAME if item != name)


ATTACKS: Mapping[str, tuple[str, Call]] = {
    "no signature at all": ("proof-unsigned", Call(token=TOKEN, proof=None)),
    "a good DPoP proof instead": ("proof-unsigned", Call(token=TOKEN)),
    "Signature without Signature-Input": ("proof-unsigned", signed_call(headers={"Signature-Input": []})),
    "Signature-Input without Signature": ("proof-malformed", signed_call(headers={"Signature": []})),
    "signature of another label": ("proof-malformed", signed_call(headers={"Signature": ["sig2=:AAAA:"]})),
    "signature that is no base64": ("proof-malformed", signed_call(headers={"Signature": ["sig1=:AAA:"]})),
    "DER in place of r and s": ("proof-signature", signed_call(headers={"Signature": [f"sig1=:{'MEUC' * 18}:"]})),
    "another's tag": ("proof-unsigned", signed_call(text=parameters(tag='"web-bot-auth"'))),
    "no tag": ("proof-unsigned", signed_call(text=parameters(tag=None))),
    "no created": ("proof-malformed", signed_call(text=parameters(created=None))),
    "created is a text": ("proof-malformed", signed_call(text=parameters(created='"1800000000"'))),
    "created has a fraction": ("proof-malformed", signed_call(text=parameters(created="1800000000.5"))),
    "created is a boolean": ("proof-malformed", signed_call(text=parameters(created="?1"))),
    "created is negative": ("proof-malformed", signed_call(text=parameters(created=-1))),
    "too old": ("proof-time", signed_call(text=parameters(created=int(NOW) - 61))),
    "made in advance": ("proof-time", signed_call(text=parameters(created=int(NOW) + 61))),
    "expired": ("proof-time", signed_call(text=parameters(created=int(NOW) - 9, expires=int(NOW) - 1))),
    "expires before created": ("proof-malformed", signed_call(text=parameters(expires=int(NOW) - 1))),
    "no nonce": ("proof-malformed", signed_call(text=parameters(nonce=None))),
    "empty nonce": ("proof-malformed", signed_call(text=parameters(nonce='""'))),
    "nonce too long": ("proof-malformed", signed_call(text=parameters(nonce=f'"{"n" * 257}"'))),
    "no keyid": ("proof-malformed", signed_call(text=parameters(keyid=None))),
    "keyid of another key": (
        "proof-key",
        signed_call(text=parameters(keyid=f'"{public_key("thief").thumbprint()}"'), by="thief"),
    ),
    "thief's key under the token's keyid": ("proof-signature", signed_call(by="thief")),
    "no alg": ("proof-malformed", signed_call(text=parameters(alg=None))),
    "alg as a token": ("proof-malformed", signed_call(text=parameters(alg="ecdsa-p256-sha256"))),
    **{
        f"alg {name}": ("proof-algorithm", signed_call(text=parameters(alg=f'"{name}"')))
        for name in (
            "hmac-sha256",
            "ed25519",
            "rsa-pss-sha512",
            "rsa-v1_5-sha256",
            "ecdsa-p384-sha384",
            "ES256",
            "none",
        )
    },
    "unknown parameter": ("proof-malformed", signed_call(text=parameters(x=1))),
    "parameter twice": ("proof-malformed", signed_call(text=parameters() + f";created={int(NOW)}")),
    "nothing covered": ("proof-coverage", signed_call(())),
    "component twice": ("proof-malformed", signed_call((*BY_NAME, '"@method"'))),
    "parameters in capitals": ("proof-malformed", signed_call((*BY_NAME, '"x";Req'))),
    **{
        f"component with {what}": ("proof-coverage", signed_call((*without(f'"{name}"'), f'"{name}"{what}')))
        for name, what in (
            ("@method", ";req"),
            ("content-digest", ";sf"),
            ("content-digest", ';key="sha-256"'),
            ("oauth-client-attestation", ";bs"),
            ("oauth-client-attestation", ";tr"),
            ("@path", ";x=1"),
        )
    },
    "component of a response": ("proof-coverage", signed_call((*BY_NAME, '"@status"'))),
    "unknown derived component": ("proof-coverage", signed_call((*BY_NAME, '"@request-target"'))),
    "field that is not there": ("proof-coverage", signed_call((*BY_NAME, '"x-absent"'))),
    "@query-param without a name": ("proof-coverage", signed_call((*BY_NAME, '"@query-param"'))),
    "@query-param of no parameter": ("proof-coverage", signed_call((*BY_NAME, '"@query-param";name="x"'))),
    "field name in capitals": ("proof-coverage", signed_call((*without('"@path"'), '"@PATH"'))),
    **{f"{name} not covered": ("proof-coverage", signed_call(without(name))) for name in BY_NAME},
    "label twice": (
        "proof-malformed",
        signed_call(headers={"Signature-Input": [f"sig1=({' '.join(BY_NAME)}){parameters()}, sig1=(){parameters()}"]}),
    ),
    "label twice in Signature": (
        "proof-malformed",
        signed_call(headers={"Signature": [f"sig1=:{signature_of(BY_NAME, parameters())}:", "sig1=:AAAA:"]}),
    ),
    "two signatures with our tag": (
        "proof-malformed",
        signed_call(headers={"Signature-Input": [f"sig1=({' '.join(BY_NAME)}){parameters()}, sig2=(){parameters()}"]}),
    ),
    "signature over another nonce": (
        "proof-signature",
        signed_call(
            headers={
                "Signature-Input": [f"sig1=({' '.join(BY_NAME)}){parameters(nonce=chr(34) + '2' + chr(34))}"],
            }
        ),
    ),
    "two spaces between items": ("proof-malformed", signed_call(headers={"Signature-Input": ['sig1=("a"  "b")']})),
    "bytes after the member": ("proof-malformed", signed_call(headers={"Signature-Input": ["sig1=();tag=1 x"]})),
    "comma at the end": ("proof-malformed", signed_call(headers={"Signature-Input": ["sig1=(),"]})),
    "empty Signature-Input": ("proof-malformed", signed_call(headers={"Signature-Input": [""]})),
    "no list": ("proof-malformed", signed_call(headers={"Signature-Input": ["sig1"]})),
    "a megabyte": ("proof-malformed", signed_call(headers={"Signature-Input": ["sig1=(" + '"a" ' * 250_000 + ")"]})),
    "too many components": (
        "proof-malformed",
        signed_call((*BY_NAME, *(f'"x-{number}"' for number in range(64)))),
    ),
    "SHA-512 alone": (
        "proof-coverage",
        signed_call(values={'"content-digest"': "sha-512=:AAAA:"}, headers={"Content-Digest": ["sha-512=:AAAA:"]}),
    ),
    "digest of 31 bytes": (
        "proof-coverage",
        signed_call(
            values={'"content-digest"': f"sha-256=:{'A' * 40}AA==:"},
            headers={"Content-Digest": [f"sha-256=:{'A' * 40}AA==:"]},
        ),
    ),
    "digest that is no dictionary": (
        "proof-malformed",
        signed_call(values={'"content-digest"': "SHA-256=abc"}, headers={"Content-Digest": ["SHA-256=abc"]}),
    ),
    "two digests of one algorithm": (
        "proof-malformed",
        signed_call(values={'"content-digest"': f"{DIGEST}, {DIGEST}"}, headers={"Content-Digest": [DIGEST, DIGEST]}),
    ),
    "two tokens": ("token-malformed", signed_call(headers={"OAuth-Client-Attestation": [TOKEN, TOKEN]})),
}
