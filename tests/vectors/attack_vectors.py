"""``attacks.json``: requests to a guarded API, what each verifier says of them, and which cannot see what is wrong."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any, Final

from bonafide_tokens.jose import b64url_decode, b64url_encode
from bonafide_tokens.new_routes import routes_to_json
from bonafide_tokens.proof_nonce import make_nonce
from bonafide_tokens.trust_bundle import TRUST_BUNDLE_TYPE

from tests.vectors.attack_requests import (
    APP,
    AUDIENCE,
    CAUSES,
    ISSUER,
    KEY_ID,
    NO_BODY,
    NO_WIRE,
    NONCE_KEY,
    ORIGIN,
    PROOF,
    ROUTES,
    TOKEN,
    VERIFIERS,
    case,
    claims,
    proof,
    request,
    token,
)
from tests.vectors.attacks_on_signatures import signed_requests
from tests.vectors.keys import NOW, jwk, jws, public_key, signing_input

_NO_DIGEST: Final[Mapping[str, Any]] = {"content-digest": None}


def attacks() -> dict[str, Any]:
    """The file."""
    return {
        "about": "Requests to a guarded API. `verdict` and `reason` are what every verifier says of the last one, after"
        " those in `before`; `not_at` names verifiers that cannot, with a cause. Headers are as they go over the wire.",
        "now": NOW,
        "settings": {"issuer": ISSUER, "audience": AUDIENCE, "external_origin": ORIGIN, "signed_body": "check"},
        "root_key": jwk("root"),
        "nonce_key": b64url_encode(NONCE_KEY),
        "bundle": bundle(),
        "verifiers": VERIFIERS,
        "causes": CAUSES,
        "cases": [*_genuine(), *_tokens(), *_proofs(), *signed_requests(), *_headers(), *_paths()],
    }


def bundle(**apps: Any) -> str:
    """The trust bundle of all cases but those that name another."""
    claims = {
        "iss": ISSUER,
        "iat": NOW - 60,
        "exp": NOW + 21_600,
        "version": 7,
        "jwks": {"keys": [{**jwk("token"), "kid": "k7", "use": "sig", "alg": "ES256"}]},
        "apps": apps,
        "apis": {AUDIENCE: routes_to_json(ROUTES)},
    }
    return jws("root", {"alg": "ES256", "typ": TRUST_BUNDLE_TYPE}, claims)


def _shows(token_text: str, proof_text: str | None = None) -> dict[str, Any]:
    return request([(TOKEN, token_text), (PROOF, proof(token_text) if proof_text is None else proof_text)])


def _bare(target: str, method: str = "GET") -> dict[str, Any]:
    return request([], method=method, target=target, body=b"")


def _get(path: str, *more: tuple[str, str], target: str = "", **changes: Any) -> dict[str, Any]:
    shown = proof(htm="GET", url=ORIGIN + path, **_NO_DIGEST, **changes)
    return request([(TOKEN, token()), (PROOF, shown), *more], method="GET", target=target or path, body=b"")


def _genuine() -> list[dict[str, Any]]:
    alone = request([(TOKEN, token())], method="GET", target="/v1/whoami", body=b"")
    return [
        case("genuine", "", request()),
        case("genuine, without a signed body", "", _shows(token(), proof(**_NO_DIGEST))),
        case("genuine, a token alone where that is enough", "", alone),
        case("genuine, on a route that is off", "", _bare("/public/a")),
        case("genuine, on a monitored route without a token", "", _bare("/beta/a")),
        case("genuine, with an escaped space", "", _get("/v1/orders/a%20b")),
        case("genuine, with an escaped letter beyond ASCII", "", _get("/v1/orders/%C3%BC")),
        case("genuine, on a route of the highest tier", "", _get("/v1/vault")),
        case("query changed: no proof covers it", "", _get("/v1/orders", target="/v1/orders?amount=9")),
        case("query doubled: no proof covers it", "", _get("/v1/orders", target="/v1/orders?a=1&a=2")),
        case("Authorization of another kind beside it", "", _get("/v1/orders", ("Authorization", "Bearer x.y.z"))),
        case("facts that the client states", "", _get("/v1/orders", ("Bonafide-Key-Id", "x"))),
        case(
            "genuine, with the nonce",
            "",
            _nonce(make_nonce(key=NONCE_KEY, audience=AUDIENCE, now=NOW - 1)),
            nonces=True,
        ),
    ]


def _nonce(nonce: str | None) -> dict[str, Any]:
    return _shows(token(), proof(nonce=nonce))


def _unsigned(header: Mapping[str, Any], said: Mapping[str, Any], seal: bytes = b"") -> str:
    return f"{signing_input(header, said)}.{b64url_encode(seal)}"


def _hs256(header: Mapping[str, Any], said: Mapping[str, Any], key: bytes) -> str:
    return _unsigned(header, said, hmac.digest(key, signing_input(header, said).encode(), "sha256"))


def _swapped(text: str, **changes: Any) -> str:
    """The same signature under a changed payload."""
    header, payload, seal = text.split(".")
    said = json.loads(b64url_decode(payload)) | changes
    return f"{header}.{b64url_encode(json.dumps(said).encode())}.{seal}"


def _tokens() -> list[dict[str, Any]]:
    typ, good = {"typ": "oauth-client-attestation+jwt", "kid": "k7"}, token()
    point = public_key("token").point
    flipped = good[:-8] + ("A" if good[-8] != "A" else "B") + good[-7:]
    other_app = token(sub="games-android", aud=["games"])
    blocked = bundle(**{APP: {"blocked_keys": [KEY_ID]}})
    superseded = bundle(**{APP: {"tokens_not_before": NOW - 5}})
    header = {"alg": "ES256", **typ}
    shown = [
        ("no token signature", "token-malformed", good.rpartition(".")[0]),
        ("garbage for a token", "token-malformed", "a.b.c"),
        ("token beyond the longest", "token-malformed", token(padding="x" * 3_000)),
        ("token with alg none", "token-algorithm", _unsigned({"alg": "none", **typ}, claims())),
        ("token with HS256 by the public key", "token-algorithm", _hs256({"alg": "HS256", **typ}, claims(), point)),
        ("token that brings its own key", "token-algorithm", token("thief", {"jwk": jwk("thief")})),
        ("token that names a key's address", "token-algorithm", token("thief", {"jku": "https://evil.example/k"})),
        ("token with critical extensions", "token-malformed", token(header={"crit": ["exp"]})),
        ("proof passed off as a token", "token-algorithm", proof()),
        ("another JWT of the stack for a token", "token-type", token(header={"typ": "JWT"})),
        ("token by an unknown key", "token-key-unknown", token("thief", {"kid": "k9"})),
        ("token without kid", "token-key-unknown", jws("token", {"alg": "ES256", "typ": typ["typ"]}, claims())),
        ("token by another key under a known kid", "token-signature", token("thief")),
        ("token with one changed letter in its signature", "token-signature", flipped),
        ("token with a later end under the old signature", "token-signature", _swapped(good, exp=NOW + 9_999)),
        ("token of another stack", "token-issuer", token(iss="bonafide-dev")),
        ("token for another API", "token-audience", token(aud=["payments"])),
        ("token for an API whose name begins alike", "token-audience", token(aud=["orders-test"])),
        ("token of another app for its own API", "token-audience", other_app),
        ("token that expired", "token-expired", token(iat=NOW - 900, exp=NOW - 600)),
        ("token that expired just beyond the skew", "token-expired", token(iat=NOW - 306, exp=NOW - 6)),
        ("token from the future", "token-from-future", token(iat=NOW + 600, exp=NOW + 900)),
        ("token that is not valid yet", "token-from-future", token(nbf=NOW + 60)),
        ("token bound to no key", "token-malformed", token(cnf=None)),
        (
            "token bound to a key of another curve",
            "token-malformed",
            token(cnf={"jwk": jwk("request") | {"crv": "P-384"}}),
        ),
        ("token whose times are texts", "token-malformed", token(exp=str(NOW + 290))),
        ("token of several JSON objects", "token-malformed", jws("token", header, b'{"iss":"a"}{"iss":"b"}')),
        ("token with a claim twice", "token-malformed", jws("token", header, b'{"iss":"bonafide-prod","iss":"x"}')),
    ]
    low = token(submods={"app": {"ear_status": "warning"}})
    vault = request([(TOKEN, low), (PROOF, proof(low, url=ORIGIN + "/v1/vault"))], target="/v1/vault")
    return [
        case("no token", "token-missing", request([(PROOF, proof())])),
        case("empty token", "token-missing", request([(TOKEN, ""), (PROOF, proof())])),
        *[case(name, reason, _shows(text)) for name, reason, text in shown],
        case("token of a lower tier than the route asks for", "token-tier", vault),
        case("token of a blocked key", "key-blocked", request(), bundle=blocked),
        case("token from before the app's not-before", "token-superseded", request(), bundle=superseded),
    ]


def _proofs() -> list[dict[str, Any]]:
    said = json.loads(b64url_decode(proof().split(".")[1]))
    header = {"typ": "dpop+jwt", "jwk": jwk("request")}
    private = jwk("request") | {"d": b64url_encode(b"d" * 32)}
    shown = [
        ("garbage for a proof", "proof-malformed", "a.b.c"),
        ("proof beyond the longest", "proof-malformed", proof(padding="x" * 3_000)),
        ("stolen token with the thief's own key", "proof-key", proof(signer="thief")),
        (
            "proof with the app's key in its head, signed by a thief",
            "proof-signature",
            proof(signer="thief", header=header),
        ),
        ("proof with alg none", "proof-algorithm", _unsigned({"alg": "none", **header}, said)),
        ("proof with HS256", "proof-algorithm", _hs256({"alg": "HS256", **header}, said, public_key("request").point)),
        ("proof that brings a private key", "proof-malformed", proof(header={"jwk": private})),
        ("proof without a key", "proof-malformed", proof(header={"jwk": None})),
        ("another JWT for a proof", "proof-malformed", proof(header={"typ": "JWT"})),
        ("token passed off as a proof", "proof-malformed", token()),
        ("proof of another method", "proof-request", proof(htm="GET")),
        ("proof of a method in small letters", "proof-request", proof(htm="post")),
        ("proof of another path", "proof-request", proof(url=ORIGIN + "/v1/other")),
        ("proof of a path in other case", "proof-request", proof(url=ORIGIN + "/V1/orders")),
        ("proof of the path with a slash at its end", "proof-request", proof(url=ORIGIN + "/v1/orders/")),
        ("proof of another host", "proof-request", proof(url="https://evil.example/v1/orders")),
        ("proof of another scheme", "proof-request", proof(url="http://api.example.com/v1/orders")),
        ("proof of another port", "proof-request", proof(url="https://api.example.com:8443/v1/orders")),
        ("proof for another token", "proof-token", proof(token(jti="b3RoZXItb3RoZXItb3RoZXI"))),
        ("proof without a token's hash", "proof-malformed", proof(ath=None)),
        ("old proof", "proof-time", proof(iat=NOW - 900)),
        ("proof from the future", "proof-time", proof(iat=NOW + 900)),
        ("proof whose time is a text", "proof-malformed", proof(iat=str(NOW))),
        ("proof without a name", "proof-malformed", proof(jti=None)),
    ]
    nonces = {
        "proof without a nonce": None,
        "proof with an old nonce": make_nonce(key=NONCE_KEY, audience=AUDIENCE, now=NOW - 400),
        "proof with a nonce of another API": make_nonce(key=NONCE_KEY, audience="payments", now=NOW),
        "proof with a nonce of another key": make_nonce(key=b"k" * 32, audience=AUDIENCE, now=NOW),
        "proof with a nonce from the future": make_nonce(key=NONCE_KEY, audience=AUDIENCE, now=NOW + 60),
    }
    other = request(body=b'{"amount": 9}')
    overridden = request([(TOKEN, token()), (PROOF, proof(htm="GET")), ("X-HTTP-Method-Override", "GET")])
    head = request([(TOKEN, token())], method="HEAD", target="/v1/whoami", body=b"")
    another = proof(jti="YW5vdGhlci1vbmUtYW5vdGhlcg")
    return [
        case("no proof", "proof-missing", request([(TOKEN, token())])),
        case("empty proof", "proof-missing", request([(TOKEN, token()), (PROOF, "")])),
        *[case(name, reason, _shows(token(), text)) for name, reason, text in shown],
        case("proof used again", "proof-replayed", request(), before=[request()]),
        case("two proofs one after the other", "", _shows(token(), another), before=[request()]),
        case("body changed", "proof-body", other, NO_BODY),
        case("body taken away", "proof-body", request(body=b""), NO_BODY),
        *[case(name, "proof-nonce", _nonce(nonce), nonces=True) for name, nonce in nonces.items()],
        case("method overridden by a header", "proof-request", overridden),
        case("HEAD of a route that asks GET for less", "proof-missing", head),
    ]


def _headers() -> list[dict[str, Any]]:
    good, shown = (TOKEN, token()), (PROOF, proof())
    second = token(jti="c2Vjb25kLXNlY29uZC0x")
    other, spelled = proof(jti="c2Vjb25kLXNlY29uZC0x"), TOKEN.replace("-", "_")
    equal = dict.fromkeys(("wsgi", "flask", "django"), "server") | {"envoy": "refuses"}
    return [
        case("two tokens", "token-malformed", request([good, (TOKEN, second), shown])),
        case("two tokens, joined by a comma", "token-malformed", request([(TOKEN, f"{token()}, {second}"), shown])),
        case("two spellings of its header", "token-malformed", request([good, (TOKEN.lower(), second), shown])),
        case("two proofs", "proof-malformed", request([good, shown, (PROOF, other)])),
        case("two proofs, joined by a comma", "proof-malformed", request([good, (PROOF, f"{proof()},{other}")])),
        case("token in Authorization alone", "token-missing", request([("Authorization", f"DPoP {token()}"), shown])),
        case("token in a header with underscores", "token-missing", request([(spelled, token()), shown]), equal),
        case("folded header", "unread", request([(TOKEN, "\r\n " + token()), shown]), NO_WIRE | {"envoy": "mended"}),
        case(
            "a line that is no field", "unread", request([good, shown, ("X", "\r\nX")]), NO_WIRE | {"nginx": "mended"}
        ),
        case("space before the colon", "unread", request([(TOKEN + " ", token()), shown]), NO_WIRE),
    ]


def _paths() -> list[dict[str, Any]]:
    """Without a token, by way of an open route: whatever any software resolves to a guarded one is guarded."""
    ways = {
        "a dot segment out of an open route": "/public/../v1/orders",
        "the same, escaped": "/public/%2e%2e/v1/orders",
        "the same, escaped twice": "/public/%252e%252e/v1/orders",
        "an escaped slash out of an open route": "/public%2f..%2fv1%2forders",
        "a backslash": "/public/..\\v1\\orders",
        "an escaped backslash": "/public/%5c..%5cv1/orders",
        "a path parameter": "/public/..;/v1/orders",
        "a path parameter with a value": "/public;x=y/a",
        "a doubled slash at the beginning": "//public/a",
        "a doubled slash within": "/public//../v1/orders",
        "overlong UTF-8": "/public/%c0%ae%c0%ae/v1/orders",
        "a null byte": "/public/%00/v1/orders",
        "a line break": "/public/%0d%0a/v1/orders",
        "an escaped question mark": "/public/a%3f/../../v1/orders",
        "an escaped number sign": "/public/a%23/../../v1/orders",
        "a full-width slash": "/public/%ef%bc%8f..%ef%bc%8fv1",
        "an open route in other case": "/PUBLIC/a",
        "an open route's name as a beginning": "/publicity",
        "a space at the end of a segment": "/public/..%20/v1/orders",
        "a current-directory segment": "/./public/a",
    }
    routeless = {"fastapi": "refuses", "flask": "refuses"}
    refusing = {"a line break": routeless, "a null byte": {"nginx": "refuses"}}
    trace = _bare("/v1/orders", "TRACE")
    absolute = _bare("https://evil.example/v1/orders")
    return [
        *[case(name, "token-missing", _bare(target), refusing.get(name, {})) for name, target in ways.items()],
        case("TRACE", "token-missing", trace, {**routeless, "nginx": "refuses"}),
        case("absolute form of the target", "token-missing", absolute, NO_WIRE | {"checker": "refuses"}),
        case("authority in the target and an open path", "token-missing", _bare("//evil.example/public/a")),
    ]
