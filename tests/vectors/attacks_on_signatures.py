"""Attacks on HTTP message signatures (RFC 9421), for ``attacks.json``: all can be told from decoded queries, too."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final

from bonafide_tokens.signatures.message import message_of, signature_base
from bonafide_tokens.signatures.signed_request import ALGORITHM, TAG
from bonafide_tokens.signatures.structured_fields import read_signature_inputs
from bonafide_tokens.signed_body import content_digest

from tests.vectors.attack_requests import BODY, NO_BODY, ORIGIN, PROOF, TOKEN, case, proof, request, token
from tests.vectors.keys import NOW, public_key, signature

PATH: Final = "/v1/transfers"
_COVERED: Final = ("@method", "@authority", "@path", "content-digest", "oauth-client-attestation")


def signature_of(
    *,
    signer: str = "request",
    keyid: str = "",
    method: str = "POST",
    covered: tuple[str, ...] = _COVERED,
    created: int = NOW,
    algorithm: str = ALGORITHM,
    tag: str = TAG,
    label: str = "sig",
) -> list[tuple[str, str]]:
    """The headers of a signature over the usual request, whose query is ``to=7&note=a%20b``."""
    items = [*(f'"{name}"' for name in covered), '"@query-param";name="to"', '"@query-param";name="note"']
    times = f'created={created};nonce="c2lnbmF0dXJlLW9uZS1vbmU";keyid="{keyid or public_key(signer).thumbprint()}"'
    told = f'{label}=({" ".join(items)});{times};alg="{algorithm}";tag="{tag}"'
    fields = {"oauth-client-attestation": token(), "content-digest": content_digest(BODY)}
    message = message_of(method, ORIGIN + PATH, query="to=7&note=a%20b", field=lambda name: [fields[name]])
    made = signature(signer, signature_base(message, read_signature_inputs([told])[label]))
    return [("Signature-Input", told), ("Signature", f"{label}=:{b64encode(made).decode()}:")]


def sent(
    headers: list[tuple[str, str]], *, query: str = "to=7&note=a%20b", body: bytes = BODY, digest: bytes = BODY
) -> dict[str, Any]:
    """The usual request with these signature headers."""
    shown = [(TOKEN, token()), ("Content-Digest", content_digest(digest)), *headers]
    return request(shown, target=f"{PATH}?{query}", body=body)


def signed_requests() -> list[dict[str, Any]]:
    """The cases."""
    good = signature_of()
    own = public_key("request").thumbprint()
    without = tuple(name for name in _COVERED if name != "content-digest")
    headers = [(TOKEN, token()), *signature_of(method="GET", covered=without)]
    bare = request(headers, method="GET", target=f"{PATH}?to=7&note=a%20b", body=b"")
    shown = [
        ("DPoP proof where a signature is asked for", "proof-unsigned", [(PROOF, proof(url=ORIGIN + PATH))]),
        ("signature by the thief's key", "proof-key", signature_of(signer="thief")),
        (
            "signature by the thief under the app's name",
            "proof-signature",
            signature_of(signer="thief", keyid=own),
        ),
        ("signature for another method", "proof-signature", signature_of(method="PUT")),
        ("signature that leaves out the body", "proof-coverage", signature_of(covered=without)),
        ("signature that leaves out the token", "proof-coverage", signature_of(covered=_COVERED[:-1])),
        ("signature that leaves out the method", "proof-coverage", signature_of(covered=_COVERED[1:])),
        ("old signature", "proof-time", signature_of(created=NOW - 900)),
        ("signature from the future", "proof-time", signature_of(created=NOW + 900)),
        ("signature of another algorithm", "proof-algorithm", signature_of(algorithm="hmac-sha256")),
        ("signature for another purpose", "proof-unsigned", signature_of(tag="another")),
        ("signature that is missing its bytes", "proof-malformed", good[:1]),
    ]
    return [
        case("genuine, signed as a whole", "", sent(good)),
        case("genuine, signed as a whole, without a body", "", bare),
        *[case(name, reason, sent(headers)) for name, reason, headers in shown],
        case("signed query changed", "proof-signature", sent(good, query="to=8&note=a%20b")),
        case("parameter added to a signed query", "proof-coverage", sent(good, query="to=7&note=a%20b&amount=9")),
        case("parameter of a signed query doubled", "proof-coverage", sent(good, query="to=7&to=8&note=a%20b")),
        case("parameter of a signed query taken away", "proof-coverage", sent(good, query="to=7")),
        case("digest under a signature changed", "proof-signature", sent(good, digest=b"[]", body=b"[]")),
        case("body under a signature changed", "proof-body", sent(good, body=b"[]"), NO_BODY),
        case("signature used again", "proof-replayed", sent(good), before=[sent(good)]),
    ]
