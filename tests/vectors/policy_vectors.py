"""Client policies: which an app takes, what they ask for, builds and pins."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Final

from bonafide_tokens.jose import b64url_encode

from tests.vectors.document_vectors import builds, documents
from tests.vectors.keys import (
    NOW,
    der_signature,
    high_s,
    jwk,
    jws,
    public_key,
    signature,
    signing_input,
    spelled,
    with_unused_bits,
)

ISSUER: Final = "demo-stack"
APP: Final = "demo"
TYPE: Final = "bonafide-client-policy+jwt"
HEADER: Final = {"alg": "ES256", "typ": TYPE}
_DAY: Final = 86_400
_DOCUMENT: Final[Mapping[str, Any]] = {"format": 1, "refresh_seconds": 900}


def _claims(**changes: Any) -> dict[str, Any]:
    members = {"iss": ISSUER, "app": APP, "version": 7, "iat": NOW - 60, "document": _DOCUMENT} | changes
    return {name: value for name, value in members.items() if value is not ...}


def _policy(by: str = "root 1", /, **changes: Any) -> str:
    return jws(by, HEADER, _claims(**changes))


def client_policies() -> dict[str, Any]:
    """``client-policies.json``."""
    return {
        "about": "Signed client policies: which an app takes, what it does by a document, which builds may go on.",
        "issuer": ISSUER,
        "app": APP,
        "root_set": {"version": 1, "roots": [jwk("root 1"), jwk("root 2")]},
        "cases": [*_good(), *_refused()],
        "documents": documents(),
        "builds": builds(),
    }


def _case(
    case: str, text: str, expect: str, *, held: str | None = None, newest: int = 0, now: int = NOW
) -> dict[str, Any]:
    return {"case": case, "jws": text, "held": held, "newest_seen": newest, "now": now, "expect": expect}


def _good() -> list[dict[str, Any]]:
    six, seven = _policy(version=6, document={"format": 1}), _policy()
    changed = seven[:-8] + "AAAAAAAA"
    return [
        _case("the first", seven, "newer"),
        _case("by the second root", _policy("root 2"), "newer"),
        _case("the next", seven, "newer", held=six, newest=6),
        _case("versions may be left out", _policy(version=900), "newer", held=six, newest=6),
        _case("the same again", seven, "confirmed", held=seven, newest=7),
        _case("the same, signed by the other root", _policy("root 2"), "confirmed", held=seven, newest=7),
        _case("the same, signed by s in the upper half", _with(seven, high_s), "confirmed", held=seven, newest=7),
        _case("the newest seen again, after what was held was lost", seven, "newer", newest=7),
        _case("what is held was altered in storage", seven, "newer", held=changed, newest=7),
        _case("what is held is signed by no root any more", seven, "newer", held=_policy("old root"), newest=7),
        _case("the newest seen, while an older one is held", seven, "newer", held=six, newest=7),
        _case("issued a day ahead of our clock", _policy(iat=NOW + _DAY), "newer"),
        _case("a phone whose clock stands at 1970 cannot judge", _policy(iat=50), "newer", now=5),
        _case("issued ten years ago", _policy(iat=NOW - 3650 * _DAY), "newer"),
        _case("claims that is unknown", _policy(exp=1, nbf=NOW + 9 * _DAY, region="eu"), "newer"),
        _case("members of the document that is unknown", _policy(document={"format": 1, "magic": {"a": 1}}), "newer"),
        _case("header members in another order", jws("root 1", {"typ": TYPE, "alg": "ES256"}, _claims()), "newer"),
        _case(
            "JSON with spaces", jws("root 1", HEADER, b" " + spelled(_claims()).replace(b":", b" : ") + b"\n"), "newer"
        ),
        _case("text as escapes", jws("root 1", HEADER, spelled(_claims()).replace(b"demo", b"d\\u0065mo")), "newer"),
        _case("the highest version", _policy(version=2**53 - 1), "newer", held=seven, newest=7),
    ]


def _with(text: str, change: Any) -> str:
    raw = signature("root 1", text.rpartition(".")[0].encode())
    return f"{text.rpartition('.')[0]}.{b64url_encode(change(raw))}"


def _refused() -> list[dict[str, Any]]:
    seven = _policy()
    held: dict[str, Any] = {"held": seven, "newest": 7}
    head, payload, end = _policy(version=8).split(".")
    thief = {**HEADER, "jwk": jwk("thief")}
    own_key = jws("thief", HEADER, _claims(version=8, document={**_DOCUMENT, "root": jwk("thief")}))
    none = signing_input({**HEADER, "alg": "none"}, _claims(version=8))
    hs256 = signing_input({**HEADER, "alg": "HS256"}, _claims(version=8))
    mac = b64url_encode(hmac.digest(public_key("root 1").point, hs256.encode(), "sha256"))
    twice = spelled(_claims(version=8))[:-1] + b',"version":9}'
    twice_inside = spelled(_claims(version=8)).replace(b'{"format":1', b'{"format":1,"format":1')
    texts = {
        "an older version": _policy(version=6),
        "the same version with other content": _policy(document={"format": 1, "refresh_seconds": 901}),
        "the same version, issued at another time": _policy(iat=NOW - 59),
        "by a stranger's key": _policy("thief", version=8),
        "by the key that its document names": own_key,
        "by the key in its header": jws("thief", thief, _claims(version=8)),
        "genuine, with the root's key in the header": jws(
            "root 1", {**HEADER, "jwk": jwk("root 1")}, _claims(version=8)
        ),
        "by a root of another set": _policy("old root", version=8),
        "alg none without a signature": none + ".",
        "alg none under a true signature": jws("root 1", {**HEADER, "alg": "none"}, _claims(version=8)),
        "HS256 with the public key as the secret": f"{hs256}.{mac}",
        "ES384 in the header": jws("root 1", {**HEADER, "alg": "ES384"}, _claims(version=8)),
        "es256 in lower case": jws("root 1", {**HEADER, "alg": "es256"}, _claims(version=8)),
        "kid in the header": jws("root 1", {**HEADER, "kid": "1"}, _claims(version=8)),
        "crit in the header": jws("root 1", {**HEADER, "crit": ["b64"], "b64": True}, _claims(version=8)),
        "b64 false in the header": jws("root 1", {**HEADER, "b64": False}, _claims(version=8)),
        "cty in the header": jws("root 1", {**HEADER, "cty": "json"}, _claims(version=8)),
        "no typ": jws("root 1", {"alg": "ES256"}, _claims(version=8)),
        "typ of a token": jws("root 1", {**HEADER, "typ": "JWT"}, _claims(version=8)),
        "a root set as a policy": jws("root 1", {**HEADER, "typ": "bonafide-root-set+jwt"}, _claims(version=8)),
        "a trust bundle as a policy": jws("root 1", {**HEADER, "typ": "bonafide-trust-bundle+jwt"}, _claims(version=8)),
        "a header member twice": jws(
            "root 1", b'{"alg":"none","alg":"ES256","typ":"%s"}' % TYPE.encode(), _claims(version=8)
        ),
        "header is a list": jws("root 1", b"[]", _claims(version=8)),
        "DER signature": f"{head}.{payload}.{b64url_encode(der_signature('root 1', f'{head}.{payload}'.encode()))}",
        "signature cut": _policy(version=8)[:-4],
        "no signature": f"{head}.{payload}.",
        "two segments": f"{head}.{payload}",
        "a dot at the end": _policy(version=8) + ".",
        "four segments": f"{_policy(version=8)}.{end}",
        "padding in base64url": f"{_policy(version=8)}==",
        "a line break at the end": _policy(version=8) + "\n",
        "a space in front": " " + _policy(version=8),
        "a quoted text": f'"{_policy(version=8)}"',
        "unused bits in the signature": _policy(version=8)[:-1] + with_unused_bits(end[-1]),
        "the signature of another policy": f"{head}.{payload}.{seven.split('.')[2]}",
        "the claims of another policy": f"{head}.{_policy(version=9).split('.')[1]}.{end}",
        "nothing": "",
        "JSON": '{"version":8}',
        "HTML of a hotel": "<html>Please log in</html>",
        "another stack's": _policy(version=8, iss="other-stack"),
        "another stack's, whose name only begins like ours": _policy(version=8, iss=ISSUER + "-2"),
        "iss with a slash": _policy(version=8, iss=ISSUER + "/"),
        "iss in capitals": _policy(version=8, iss=ISSUER.upper()),
        "iss is a list with ours in it": _policy(version=8, iss=[ISSUER]),
        "another app's": _policy(version=8, app="other"),
        "an app whose name only begins like ours": _policy(version=8, app=APP + "-beta"),
        "app in capitals": _policy(version=8, app="Demo"),
        "no iss": _policy(version=8, iss=...),
        "no app": _policy(version=8, app=...),
        "no version": _policy(version=...),
        "no iat": _policy(version=8, iat=...),
        "no document": _policy(version=8, document=...),
        "version zero": _policy(version=0),
        "a negative version": _policy(version=-8),
        "version 8.0": jws("root 1", HEADER, spelled(_claims(version=8)).replace(b'"version":8', b'"version":8.0')),
        "version 8e0": jws("root 1", HEADER, spelled(_claims(version=8)).replace(b'"version":8', b'"version":8e0')),
        "version 8.5": _policy(version=8.5),
        "version is a text": _policy(version="8"),
        "version is true": _policy(version=True),
        "version is null": _policy(version=None),
        "version 2^53": _policy(version=2**53),
        "version of 2^64 and eight": _policy(version=2**64 + 8),
        "version of a thousand digits": jws(
            "root 1", HEADER, spelled(_claims(version=8)).replace(b'"version":8', b'"version":' + b"9" * 1000)
        ),
        "issued more than a day ahead": _policy(version=8, iat=NOW + _DAY + 1),
        "iat in milliseconds": _policy(version=8, iat=NOW * 1000),
        "iat is negative": _policy(version=8, iat=-1),
        "iat is a text": _policy(version=8, iat=str(NOW)),
        "iat with a fraction": _policy(version=8, iat=NOW + 0.5),
        "iat is true": _policy(version=8, iat=True),
        "document is a text": _policy(version=8, document="{}"),
        "document is a list": _policy(version=8, document=[_DOCUMENT]),
        "document is null": _policy(version=8, document=None),
        "format of the future": _policy(version=8, document={"format": 2}),
        "a claim twice": jws("root 1", HEADER, twice),
        "a claim twice, once as an escape": jws(
            "root 1", HEADER, spelled(_claims(version=8))[:-1] + b',"versi\\u006fn":9}'
        ),
        "a member of the document twice": jws("root 1", HEADER, twice_inside),
        "claims with text behind": jws("root 1", HEADER, spelled(_claims(version=8)) + b"{}"),
        "claims are a list": jws("root 1", HEADER, b"[]"),
        "claims are not UTF-8": jws("root 1", HEADER, spelled(_claims(version=8))[:-1] + b',"a":"\xff"}'),
        "claims with a comment": jws("root 1", HEADER, spelled(_claims(version=8))[:-1] + b"/* */}"),
        "claims with a comma too many": jws("root 1", HEADER, spelled(_claims(version=8))[:-1] + b",}"),
        "NaN in the document": jws("root 1", HEADER, spelled(_claims(version=8)).replace(b"900", b"NaN")),
        "a byte order mark": jws("root 1", HEADER, b"\xef\xbb\xbf" + spelled(_claims(version=8))),
    }
    return [
        *(_case(case, text, "refused", **held) for case, text in texts.items()),
        _case("older than the newest seen, though nothing is held", seven, "refused", newest=8),
        _case(
            "older than the newest seen, while an older one is held",
            seven,
            "refused",
            held=_policy(version=5),
            newest=8,
        ),
        _case("what is held, when a newer one was seen", seven, "refused", held=seven, newest=8),
        _case("a phone in 1970 meets today's", seven, "refused", now=5),
    ]
