"""Calls that must be refused, and some that must pass: one change each, named for what it is."""

from __future__ import annotations

from typing import Final

from bonafide_tokens.signing import SigningKey

from tests.unit.gate.stand import NOW, Call, private_key, token

GENUINE: Final = {
    "proof": Call(),
    "token alone where that will do": Call(method="GET", path="/v1/whoami", proof=None),
    "a route that is off": Call(path="/public/a", token=None, proof=None),
    "a monitored route without a token": Call(path="/beta/a", token=None, proof=None),
    "an escaped space": Call(path="/v1/orders/a%20b"),
    "an escaped umlaut": Call(path="/v1/orders/%C3%BC"),
}
ATTACKS: Final = {
    "no token": Call(token=None),
    "empty token": Call(token=""),
    "no proof": Call(proof=None),
    "garbage for a token": Call(token="a.b.c"),
    "garbage for a proof": Call(proof="a.b.c"),
    "token of another stack": Call(token=token(issuer="another-stack")),
    "token for another API": Call(token=token(audience=("https://other.example",))),
    "token by an unknown key": Call(token=token(signing_key=SigningKey("k7", private_key("thief")))),
    "token by a key that no bundle names": Call(token=token(signing_key=SigningKey("k9", private_key("thief")))),
    "expired token": Call(token=token(now=NOW - 600)),
    "token from the future": Call(token=token(now=NOW + 600)),
    "stolen token with the thief's own key": Call(signer="thief"),
    "proof of another method": Call(signed_method="GET"),
    "proof of another path": Call(signed_url="https://abcdef123.execute-api.eu-central-1.amazonaws.com/prod/v1/other"),
    "proof of another host": Call(signed_url="https://evil.example/prod/v1/orders"),
    "proof for another token": Call(signed_token=token(jti="b3RoZXItb3RoZXItb3RoZXI")),
    "old proof": Call(made_at=NOW - 900),
    "proof from the future": Call(made_at=NOW + 900),
    "two tokens": Call(headers={"OAuth-Client-Attestation": [token(), token()]}),
    "two proofs": Call(headers={"DPoP": [str(Call().proof_text()), str(Call(jti="2").proof_text())]}),
    "two spellings of a header": Call(headers={"oauth-client-attestation": [token(jti="c2Vjb25kLXNlY29uZC0x")]}),
    "a dot segment out of an open route": Call(path="/public/../v1/orders", token=None, proof=None),
    "the same, escaped": Call(path="/public/%2e%2e/v1/orders", token=None, proof=None),
    "the same, escaped twice": Call(path="/public/%252e%252e/v1/orders", token=None, proof=None),
    "an escaped slash out of an open route": Call(path="/public%2f..%2fv1%2forders", token=None, proof=None),
    "a backslash": Call(path="/public\\..\\v1\\orders", token=None, proof=None),
    "a path parameter": Call(path="/public/..;/v1/orders", token=None, proof=None),
    "a doubled slash": Call(path="//public/a", token=None, proof=None),
    "overlong UTF-8": Call(path="/public/%c0%ae%c0%ae/v1/orders", token=None, proof=None),
    "a null byte": Call(path="/public/%00/v1/orders", token=None, proof=None),
}
