"""Proofs: which a client makes, and which a verifier takes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final

from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.signing import EAR_PROFILE, EAR_VERIFIER
from bonafide_tokens.token import TOKEN_TYPE

from tests.vectors.keys import (
    NOW,
    der_signature,
    high_s,
    jwk,
    jws,
    public_key,
    signing_input,
    spelled,
    with_unused_bits,
)

ISSUER: Final = "demo-stack"
AUDIENCE: Final = "https://api.example.com"
URL: Final = "https://api.example.com/v1/orders"
_MADE_WITH: Final = "opaque-to-the-client.any.text"
_JTI: Final = "Zm9yIG9uZSBzZW5kIG9ubHk"
_DIGEST: Final = content_digest(b'{"amount":100}')


def ath(token: str) -> str:
    """The claim, by hand."""
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=")


def token(request_key: str = "phone") -> str:
    """A token of the stack's, for the audience, that is bound to the request key called so."""
    key_id = b64url_encode(hashlib.sha256(public_key("attested").point).digest())
    claims = {
        "iss": ISSUER,
        "sub": "demo",
        "aud": AUDIENCE,
        "iat": NOW - 60,
        "exp": NOW + 240,
        "jti": "dG9rZW4",
        "cnf": {"jwk": jwk(request_key)},
        "platform": "ios",
        "key_id": key_id,
        "policy_version": 1,
        "eat_profile": EAR_PROFILE,
        "ear_verifier_id": EAR_VERIFIER,
        "submods": {"app": {"ear_status": "affirming", "ear_trustworthiness_vector": {"hardware": 2}}},
    }
    return jws("token", {"alg": "ES256", "kid": "t1", "typ": TOKEN_TYPE}, claims)


_URLS: Final[Mapping[str, tuple[str, str | None]]] = {
    "as it is": (URL, URL),
    "a query is left out": (URL + "?page=2", URL),
    "a fragment is left out": (URL + "#top", URL),
    "query and fragment": (URL + "?a=b#c?d", URL),
    "a question mark in the fragment": (URL + "#c?d", URL),
    "no path": ("https://api.example.com", "https://api.example.com/"),
    "no path and a query": ("https://api.example.com?x=1", "https://api.example.com/"),
    "scheme and host in capitals": ("HTTPS://API.Example.COM/V1/Orders", "https://api.example.com/V1/Orders"),
    "the default port": ("https://api.example.com:443/v1/orders", URL),
    "the default port with zeros": ("https://api.example.com:0443/v1/orders", URL),
    "an empty port": ("https://api.example.com:/v1/orders", URL),
    "another port": ("https://api.example.com:8443/v1/orders", "https://api.example.com:8443/v1/orders"),
    "http and its default port": ("http://127.0.0.1:80/v1", "http://127.0.0.1/v1"),
    "https on the port of http": ("https://api.example.com:80/v1", "https://api.example.com:80/v1"),
    "an IPv6 address": ("https://[2001:DB8::1]:443/v1", "https://[2001:db8::1]/v1"),
    "dot segments": ("https://api.example.com/a/./b/../v1/orders", "https://api.example.com/a/v1/orders"),
    "dot segments above the root": ("https://api.example.com/../../v1/orders", URL),
    "a dot at the end": ("https://api.example.com/v1/orders/.", "https://api.example.com/v1/orders/"),
    "two dots at the end": ("https://api.example.com/v1/orders/..", "https://api.example.com/v1/"),
    "escaped dots are dots": ("https://api.example.com/a/%2e%2E/v1/orders", URL),
    "three dots are a name": ("https://api.example.com/.../v1", "https://api.example.com/.../v1"),
    "escapes in capitals": ("https://api.example.com/caf%c3%a9", "https://api.example.com/caf%C3%A9"),
    "letters as they are are escaped": ("https://api.example.com/café", "https://api.example.com/caf%C3%A9"),
    "an emoji": ("https://api.example.com/\U0001f600", "https://api.example.com/%F0%9F%98%80"),
    "escaped letters are letters": ("https://api.example.com/%76%31/orders", URL),
    "an escaped tilde is a tilde": ("https://api.example.com/%7Euser", "https://api.example.com/~user"),
    "an escaped slash is no slash": ("https://api.example.com/v1%2forders", "https://api.example.com/v1%2Forders"),
    "an escaped percent sign stays": ("https://api.example.com/100%2525", "https://api.example.com/100%2525"),
    "two slashes stay": ("https://api.example.com//v1//orders", "https://api.example.com//v1//orders"),
    "a slash at the end stays": (URL + "/", URL + "/"),
    "characters that need no escape": ("https://api.example.com/a!$&'()*+,;=:@b", None),
    "characters that need one": ('https://api.example.com/a"<>b', "https://api.example.com/a%22%3C%3Eb"),
}
"""URL as it is called, and ``htu``; ``None`` for the same."""


def _makes() -> list[dict[str, Any]]:
    cases = [_made(case, url=url, htu=htu or url) for case, (url, htu) in _URLS.items()]
    cases += [
        _made("another method", method="POST", body=b""),
        _made("a method of its own", method="PROPFIND"),
        _made("a body", method="POST", body=b'{"amount":100}'),
        _made("a body that is no text", method="PUT", body=bytes(range(256))),
        _made("an empty body is a body", method="POST", body=b""),
        _made("a nonce", nonce="bm9uY2U"),
        _made("a nonce of every allowed character", nonce="!#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~"),
        _made("a body and a nonce", method="POST", body=b"{}", nonce="bm9uY2U"),
        _made("parts of a second are cut", now=NOW + 0.999),
        _made("a token with every character of a JWS", token="A-Z_a-z.0-9.-_"),
    ]
    return cases


def _made(
    case: str,
    *,
    method: str = "GET",
    url: str = URL,
    htu: str = URL,
    token: str = _MADE_WITH,
    body: bytes | None = None,
    nonce: str | None = None,
    now: float = NOW,
) -> dict[str, Any]:
    claims: dict[str, Any] = {"jti": _JTI, "htm": method, "htu": htu, "iat": int(now), "ath": ath(token)}
    if nonce is not None:
        claims["nonce"] = nonce
    if body is not None:
        claims["content-digest"] = content_digest(body)
    return {
        "case": case,
        "method": method,
        "url": url,
        "token": token,
        "body": None if body is None else b64url_encode(body),
        "nonce": nonce,
        "now": now,
        "jti": _JTI,
        "header": {"typ": "dpop+jwt", "alg": "ES256"},
        "claims": claims,
    }


def _header(**changes: Any) -> dict[str, Any]:
    return {"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk("phone")} | changes


def _claims(**changes: Any) -> dict[str, Any]:
    members = {"jti": _JTI, "htm": "POST", "htu": URL, "iat": NOW, "ath": ath(token())} | changes
    return {name: value for name, value in members.items() if value is not ...}


def _proof(header: Mapping[str, Any] | bytes | None = None, by: str = "phone", /, **claims: Any) -> str:
    return jws(by, _header() if header is None else header, _claims(**claims))


def _takes() -> dict[str, str | dict[str, Any]]:
    """Proofs that hold; with changes to the request where it is another."""
    return {
        "plain": _proof(),
        "with a body's digest": _proof(**{"content-digest": _DIGEST}),
        "with a nonce that was not asked for": _proof(nonce="bm9uY2U"),
        "with a claim that is unknown": _proof(device="phone"),
        "with a header member that is unknown": _proof(_header(kid="k1")),
        "at the end of the window": _proof(iat=NOW - 60),
        "as far ahead as the window": _proof(iat=NOW + 60),
        "with a time in parts of a second": _proof(iat=NOW + 0.5),
        "s in the upper half": _resigned(_proof(), high_s),
        "another order of the claims": jws("phone", _header(), dict(reversed(list(_claims().items())))),
        "JSON with spaces": jws("phone", b" " + spelled(_header()) + b"\n", json.dumps(_claims()).encode()),
        "htu with the default port": _proof(htu="https://api.example.com:443/v1/orders"),
        "htu in capitals": _proof(htu="HTTPS://API.EXAMPLE.COM/v1/orders"),
        "htu with escaped letters": _proof(htu="https://api.example.com/%761/orders"),
        "htu with dot segments": _proof(htu="https://api.example.com/x/../v1/orders"),
        "htu with the query": _proof(htu=URL + "?page=2"),
        "called with a query": {"proof": _proof(), "url": URL + "?page=2"},
        "a jwk with members beside the key": _proof(_header(jwk=jwk("phone") | {"kid": "k1", "use": "sig"})),
    }


def _resigned(proof: str, change: Any) -> str:
    text, _, end = proof.rpartition(".")
    raw = base64.urlsafe_b64decode(end + "==")
    return f"{text}.{b64url_encode(change(raw))}"


def _hmac_with_public_key() -> str:
    text = signing_input(_header(alg="HS256"), _claims())
    return f"{text}.{b64url_encode(hmac.digest(public_key('phone').point, text.encode(), 'sha256'))}"


def _refuses() -> dict[str, tuple[str, str | dict[str, Any]]]:
    """The reason, and the proof or what is presented instead."""
    plain = _proof()
    head, payload, end = plain.split(".")
    twice = spelled(_claims())[:-1] + b',"htm":"GET"}'
    none = signing_input(_header(alg="none"), _claims())
    malformed, algorithm, key, sign = "proof-malformed", "proof-algorithm", "proof-key", "proof-signature"
    request, time, of_token = "proof-request", "proof-time", "proof-token"
    thief = _header(jwk=jwk("thief"))
    return {
        "no proof": ("proof-missing", ""),
        "stolen token, the thief's own key": (key, jws("thief", thief, _claims())),
        "the holder's key in the header, signed by the thief": (sign, _proof(None, "thief")),
        "alg none without a signature": (algorithm, none + "."),
        "alg none with a signature": (algorithm, jws("phone", _header(alg="none"), _claims())),
        "alg None in capitals": (algorithm, jws("phone", _header(alg="NONE"), _claims())),
        "HS256 with the public key as the secret": (algorithm, _hmac_with_public_key()),
        "ES384 in the header": (algorithm, _proof(_header(alg="ES384"))),
        "es256 in lower case": (algorithm, _proof(_header(alg="es256"))),
        "alg is a list": (algorithm, _proof(_header(alg=["ES256"]))),
        "no alg": (algorithm, _proof({"typ": "dpop+jwt", "jwk": jwk("phone")})),
        "jku beside the key": (algorithm, _proof(_header(jku="https://evil.example/keys"))),
        "x5c beside the key": (algorithm, _proof(_header(x5c=["AAAA"]))),
        "crit, which must be understood": (malformed, _proof(_header(crit=["exp"], exp=1))),
        "b64 false": (malformed, _proof(_header(b64=False))),
        "no jwk": (malformed, _proof({"typ": "dpop+jwt", "alg": "ES256"})),
        "jwk with the private key": (malformed, _proof(_header(jwk=jwk("phone") | {"d": jwk("phone")["x"]}))),
        "jwk is a text": (malformed, _proof(_header(jwk=json.dumps(jwk("phone"))))),
        "an access token as proof": (malformed, token()),
        "typ of another JWT": (malformed, _proof(_header(typ="JWT"))),
        "typ as a media type": (malformed, _proof(_header(typ="application/dpop+jwt"))),
        "typ in capitals": (malformed, _proof(_header(typ="DPoP+JWT"))),
        "DER signature": (
            sign,
            f"{head}.{payload}.{b64url_encode(der_signature('phone', f'{head}.{payload}'.encode()))}",
        ),
        "signature cut": (sign, plain[:-4]),
        "signature of zeros": (sign, f"{head}.{payload}.{b64url_encode(bytes(64))}"),
        "signature over other claims": (sign, f"{head}.{_proof(htm='GET').split('.')[1]}.{end}"),
        "a dot at the end": (malformed, plain + "."),
        "two proofs with a dot between": (malformed, f"{plain}.{plain}"),
        "no signature": (malformed, f"{head}.{payload}"),
        "padding in base64url": (malformed, f"{head}.{payload}.{end}=="),
        "the other base64 alphabet": (malformed, f"{head}.{payload}.{end[:-2]}+/"),
        "a line break inside": (malformed, f"{head}.{payload}\n.{end}"),
        "a space in front": (malformed, " " + plain),
        "unused bits in the signature": (malformed, plain[:-1] + with_unused_bits(plain[-1])),
        "two in one header": (malformed, f"{plain},{plain}"),
        "more than 4,096 characters": (malformed, _proof(padding="x" * 4096)),
        "a claim twice": (malformed, jws("phone", _header(), twice)),
        "a header member twice": (malformed, jws("phone", spelled(_header())[:-1] + b',"typ":"dpop+jwt"}', _claims())),
        "claims are a list": (malformed, jws("phone", _header(), b"[]")),
        "claims with text behind": (malformed, jws("phone", _header(), spelled(_claims()) + b"{}")),
        "claims are not UTF-8": (malformed, jws("phone", _header(), spelled(_claims())[:-1] + b',"a":"\xff"}')),
        "NaN as a time": (malformed, jws("phone", _header(), spelled(_claims(iat=1)).replace(b":1,", b":NaN,"))),
        "no htm": (malformed, _proof(htm=...)),
        "no htu": (malformed, _proof(htu=...)),
        "no iat": (malformed, _proof(iat=...)),
        "no jti": (malformed, _proof(jti=...)),
        "no ath": (malformed, _proof(ath=...)),
        "jti of 257 characters": (malformed, _proof(jti="x" * 257)),
        "an empty jti": (malformed, _proof(jti="")),
        "jti is a number": (malformed, _proof(jti=7)),
        "iat is a text": (malformed, _proof(iat=str(NOW))),
        "iat is true": (malformed, _proof(iat=True)),
        "iat is negative": (malformed, _proof(iat=-1)),
        "iat is endless": (malformed, jws("phone", _header(), spelled(_claims(iat=1)).replace(b":1,", b":1e999,"))),
        "an empty nonce": (malformed, _proof(nonce="")),
        "content-digest by another algorithm": (malformed, _proof(**{"content-digest": "sha-512=:AAAA:"})),
        "content-digest in hex": (malformed, _proof(**{"content-digest": hashlib.sha256(b"").hexdigest()})),
        "another method": (request, _proof(htm="GET")),
        "the method in lower case": (request, _proof(htm="post")),
        "another path": (request, _proof(htu="https://api.example.com/v1/refunds")),
        "a path in other letters": (request, _proof(htu="https://api.example.com/V1/orders")),
        "a slash more": (request, _proof(htu=URL + "/")),
        "an escaped slash for a slash": (request, _proof(htu="https://api.example.com/v1%2Forders")),
        "another host": (request, _proof(htu="https://api.example.org/v1/orders")),
        "the host as a user's name": (request, _proof(htu="https://api.example.com@evil.example/v1/orders")),
        "a user's name before the host": (request, _proof(htu="https://me@api.example.com/v1/orders")),
        "a dot behind the host": (request, _proof(htu="https://api.example.com./v1/orders")),
        "http for https": (request, _proof(htu="http://api.example.com/v1/orders")),
        "another port": (request, _proof(htu="https://api.example.com:8443/v1/orders")),
        "no scheme": (request, _proof(htu="//api.example.com/v1/orders")),
        "a path only": (request, _proof(htu="/v1/orders")),
        "a backslash for a slash": (request, _proof(htu="https://api.example.com\\v1/orders")),
        "made 61 seconds ago": (time, _proof(iat=NOW - 61)),
        "made 61 seconds ahead": (time, _proof(iat=NOW + 61)),
        "iat in milliseconds": (time, _proof(iat=NOW * 1000)),
        "for another token": (of_token, _proof(ath=ath("another"))),
        "ath in base64 with padding": (of_token, _proof(ath=ath(token()) + "=")),
        "ath in hex": (of_token, _proof(ath=hashlib.sha256(token().encode()).hexdigest())),
        "a proof beside another phone's token": (key, {"proof": plain, "token": token("thief")}),
    }


def proofs() -> dict[str, Any]:
    """``proofs.json``."""
    return {
        "about": "DPoP proofs: `makes` for clients, `takes` and `refuses` for verifiers.",
        "jwk_members": ["kty", "crv", "x", "y"],
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "token_keys": {"t1": jwk("token")},
        "makes": _makes(),
        "takes": [_shown(case, what) for case, what in _takes().items()],
        "refuses": [_shown(case, what) | {"reason": reason} for case, (reason, what) in _refuses().items()],
    }


def _shown(case: str, what: str | dict[str, Any]) -> dict[str, Any]:
    usual = {"method": "POST", "url": URL, "token": token(), "now": NOW}
    return {"case": case, **usual, **({"proof": what} if isinstance(what, str) else what)}
