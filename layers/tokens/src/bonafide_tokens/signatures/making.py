"""Signing requests, as an app does. What checks them never loads this."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from bonafide_tokens.signatures.message import encoded, message_of, signature_base
from bonafide_tokens.signatures.signed_request import ALGORITHM, TAG
from bonafide_tokens.signatures.structured_fields import read_signature_inputs
from bonafide_tokens.signing import es256_sign, public_key_of

_LABEL: Final = "sig"


def sign_request(
    private_key: ec.EllipticCurvePrivateKey,
    *,
    method: str,
    url: str,
    headers: Mapping[str, str],
    nonce: str,
    now: float,
    content_digest: str | None = None,
    by_parameter: Sequence[str] | None = None,
    expires: float | None = None,
) -> dict[str, str]:
    """The headers ``Signature-Input`` and ``Signature``, and ``Content-Digest`` where the body's digest is given.

    ``url`` is the URL as it is called, query included; ``headers`` are those to cover, the token's among them.
    ``by_parameter`` are the query's parameters, for gateways that decode queries; the whole query is covered
    otherwise. ``nonce`` must be unique, and begin with the server's and a full stop where it gave one.
    """
    place, _, query = url.partition("?")
    fields = {name.lower(): value for name, value in headers.items()}
    if content_digest is not None:
        fields["content-digest"] = content_digest
    covered = ["@method", "@authority", "@path", *(() if by_parameter is not None else ("@query",)), *fields]
    items = [f'"{name}"' for name in covered]
    items += [f'"@query-param";name="{encoded(name)}"' for name in by_parameter or ()]
    times = f"created={int(now)}" + ("" if expires is None else f";expires={int(expires)}")
    keyid = public_key_of(private_key).thumbprint()
    parameters = f'{times};nonce="{nonce}";keyid="{keyid}";alg="{ALGORITHM}";tag="{TAG}"'
    signature_input = f"{_LABEL}=({' '.join(items)});{parameters}"
    message = message_of(method, place, query=query, field=lambda name: [fields[name]])
    base = signature_base(message, read_signature_inputs([signature_input])[_LABEL])
    signature = b64encode(es256_sign(private_key, base)).decode("ascii")
    made = {"Signature-Input": signature_input, "Signature": f"{_LABEL}=:{signature}:"}
    return made if content_digest is None else {**made, "Content-Digest": content_digest}
