"""Calls with an HTTP message signature, put together line by line: not by the code that checks them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Final

from bonafide_tokens.routes import Requirement, RouteRequirement
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.signing import es256_sign
from bonafide_tokens.trust_bundle import TrustBundle

from tests.unit.gate.stand import AUDIENCE, NOW, Call, bundle, private_key, public_key, token

TOKEN: Final = token()
BODY: Final = b'{"amount":5}'
DIGEST: Final = content_digest(BODY)
QUERY: Final = "page=2&sort=new%20first"
HOST: Final = "abcdef123.execute-api.eu-central-1.amazonaws.com"
USUAL: Final = ('"@method"', '"@authority"', '"@path"', '"oauth-client-attestation"', '"content-digest"')
BY_NAME: Final = (*USUAL, '"@query-param";name="page"', '"@query-param";name="sort"')
WHOLE: Final = (*USUAL, '"@query"')
VALUES: Final[Mapping[str, str]] = {
    '"@method"': "POST",
    '"@authority"': HOST,
    '"@path"': "/prod/v1/orders",
    '"@query"': f"?{QUERY}",
    '"@scheme"': "https",
    '"@target-uri"': f"https://{HOST}/prod/v1/orders?{QUERY}",
    '"@query-param";name="page"': "2",
    '"@query-param";name="sort"': "new%20first",
    '"oauth-client-attestation"': TOKEN,
    '"content-digest"': DIGEST,
}
"""What a client signs of :func:`signed_call`'s request, by component."""


def signing_routes(*components: str, requirement: Requirement = Requirement.SIGNED_REQUEST) -> TrustBundle:
    """A bundle in which every route asks for a signature."""
    return bundle(apis={AUDIENCE: (RouteRequirement("*", "/*", requirement, None, " ".join(components)),)})


def parameters(**changes: object) -> str:
    """The parameters of a signature, with changes; ``None`` drops one."""
    usual: dict[str, object] = {
        "created": int(NOW),
        "nonce": '"nonce-1"',
        "keyid": f'"{public_key("request").thumbprint()}"',
        "alg": '"ecdsa-p256-sha256"',
        "tag": '"bonafide"',
    }
    return "".join(f";{name}={value}" for name, value in (usual | changes).items() if value is not None)


def signature_of(
    items: Sequence[str], text: str, *, values: Mapping[str, str] | None = None, by: str = "request"
) -> str:
    """The signature over these components and parameters: RFC 9421 §2.5, by hand."""
    known = {**VALUES, **(values or {})}
    lines = [f"{item}: {known.get(item, '')}" for item in items]
    base = "\n".join([*lines, f'"@signature-params": ({" ".join(items)}){text}'])
    return b64encode(es256_sign(private_key(by), base.encode())).decode()


def signed_call(
    items: Sequence[str] = BY_NAME,
    text: str | None = None,
    *,
    values: Mapping[str, str] | None = None,
    by: str = "request",
    label: str = "sig1",
    headers: Mapping[str, list[str]] | None = None,
) -> Call:
    """A POST with a query and a body, whose signature covers ``items``; ``headers`` take the place of its own."""
    text = parameters() if text is None else text
    made = {
        "Signature-Input": [f"{label}=({' '.join(items)}){text}"],
        "Signature": [f"{label}=:{signature_of(items, text, values=values, by=by)}:"],
        "Content-Digest": [DIGEST],
    }
    return Call(token=TOKEN, proof=None, query=QUERY, headers=made | dict(headers or {}))
