"""Root sets: which step to the next set an app takes, and which an attacker would like it to take."""

from __future__ import annotations

import hmac
from typing import Any, Final

from bonafide_tokens.jose import b64url_encode

from tests.vectors.keys import NOW, der_signature, high_s, jwk, jws, public_key, signature, signing_input, spelled

ISSUER: Final = "demo-stack"
TYPE: Final = "bonafide-root-set+jwt"
HEADER: Final = {"alg": "ES256", "typ": TYPE}
_DAY: Final = 86_400
BUILT_IN: Final = {"version": 1, "roots": [jwk("root a"), jwk("root b")]}


def _claims(version: Any, *roots: str, **changes: Any) -> dict[str, Any]:
    members = {"iss": ISSUER, "version": version, "iat": NOW - 60, "roots": [jwk(root) for root in roots]} | changes
    return {name: value for name, value in members.items() if value is not ...}


def _step(by: str, version: Any, *roots: str, **changes: Any) -> str:
    """The step to ``version``, signed by one key."""
    return jws(by, HEADER, _claims(version, *roots, **changes))


def root_sets() -> dict[str, Any]:
    """``root-sets.json``."""
    return {
        "about": "Steps from a root set to the next: `version` is what the app holds afterwards.",
        "issuer": ISSUER,
        "built_in": BUILT_IN,
        "cases": [*_taken(), *_stored(), *_refused()],
        "built_in_sets": _built_in_sets(),
    }


def _case(case: str, offered: list[str], version: int, *, held: list[str] | None = None, now: int = NOW) -> Any:
    return {"case": case, "held_version_chain": held or [], "offered": offered, "now": now, "version": version}


def _taken() -> list[dict[str, Any]]:
    two, three = _step("root a", 2, "root b", "root c"), _step("root c", 3, "root c", "root d")
    text = two.rpartition(".")[0]
    long = [_step("root a", n, "root a", f"root {n}") for n in range(2, 20)]
    escaped = spelled(_claims(2, "root a")).replace(b"demo", b"d\\u0065mo")
    return [
        _case("nothing is offered", [], 1),
        _case("a step", [two], 2),
        _case("a step, signed by the other root", [_step("root b", 2, "root b", "root c")], 2),
        _case("a step, signed by a root that it drops", [two], 2),
        _case("two steps change every root", [two, three], 3),
        _case("a root less", [_step("root a", 2, "root a")], 2),
        _case("four roots", [_step("root a", 2, "root a", "root c", "root d", "root e")], 2),
        _case("the same roots again", [_step("root a", 2, "root a", "root b")], 2),
        _case("the same roots in another order", [_step("root b", 2, "root b", "root a")], 2),
        _case("s in the upper half", [f"{text}.{b64url_encode(high_s(signature('root a', text.encode())))}"], 2),
        _case("issued a day ahead of our clock", [_step("root a", 2, "root a", iat=NOW + _DAY)], 2),
        _case("issued ten years ago", [_step("root a", 2, "root a", iat=NOW - 3650 * _DAY)], 2),
        _case("claims that is unknown", [_step("root a", 2, "root a", exp=1, note={"a": 1})], 2),
        _case("a jwk with members beside the key", [_step("root a", 2, roots=[jwk("root a") | {"kid": "a"}])], 2),
        _case("text as escapes", [jws("root a", HEADER, escaped)], 2),
        _case("sixteen steps in one go", long[:16], 17),
        _case("a server with steps without end", long, 17),
    ]


def _stored() -> list[dict[str, Any]]:
    two, three = _step("root a", 2, "root b", "root c"), _step("root c", 3, "root c", "root d")
    other_two = _step("root a", 2, "root a", "thief")
    return [
        _case("a stored chain", [], 3, held=[two, three]),
        _case("a stored chain and a step", [_step("root d", 4, "root d")], 4, held=[two, three]),
        _case("a stored chain, altered at its first step", [], 1, held=[two[:-8] + "AAAAAAAA", three]),
        _case("a stored chain, altered at its last step", [], 2, held=[two, three[:-8] + "AAAAAAAA"]),
        _case("a stored chain without its first step", [], 1, held=[three]),
        _case("a stored chain, backwards", [], 2, held=[three, two]),
        _case("a stored chain with a thief's set", [], 1, held=[_step("thief", 2, "root a", "thief")]),
        _case("a stored chain with rubbish in it", [], 3, held=["", two, "a.b.c", three]),
        _case("a stored step twice", [], 2, held=[two, two]),
        _case("the version held, with other content", [other_two], 2, held=[two]),
        _case("the version held, again", [two], 2, held=[two]),
        _case("signed by a root that was dropped", [_step("root a", 3, "root c")], 2, held=[two]),
        _case("signed by a root that was dropped two steps ago", [_step("root a", 4, "root d")], 3, held=[two, three]),
        _case("back to the first set", [_step("root c", 1, "root a", "root b")], 2, held=[two]),
    ]


def _refused() -> list[dict[str, Any]]:
    two = _step("root a", 2, "root a", "root c")
    head, payload = two.split(".")[:2]
    claims = _claims(2, "root a", "root c")
    none = signing_input({**HEADER, "alg": "none"}, claims)
    hs256 = signing_input({**HEADER, "alg": "HS256"}, claims)
    mac = b64url_encode(hmac.digest(public_key("root a").point, hs256.encode(), "sha256"))
    off = jwk("root c") | {"y": b64url_encode((int.from_bytes(public_key("root c").y) ^ 1).to_bytes(32))}
    good = jwk("root a")
    twice = spelled(claims)[:-1] + b',"version":2}'
    texts: dict[str, str] = {
        "signed by no root of the set before": _step("thief", 2, "root a", "thief"),
        "signed by a root of the new set only": _step("root c", 2, "root a", "root c"),
        "signed by the key in its header": jws("thief", {**HEADER, "jwk": jwk("thief")}, claims),
        "genuine, with the root's key in the header": jws("root a", {**HEADER, "jwk": jwk("root a")}, claims),
        "kid in the header": jws("root a", {**HEADER, "kid": "a"}, claims),
        "cty in the header": jws("root a", {**HEADER, "cty": "json"}, claims),
        "crit in the header": jws("root a", {**HEADER, "crit": ["exp"]}, claims),
        "alg none without a signature": none + ".",
        "alg none under a true signature": jws("root a", {**HEADER, "alg": "none"}, claims),
        "HS256 with the public key as the secret": f"{hs256}.{mac}",
        "ES384 in the header": jws("root a", {**HEADER, "alg": "ES384"}, claims),
        "no typ": jws("root a", {"alg": "ES256"}, claims),
        "a client policy as a root set": jws("root a", {**HEADER, "typ": "bonafide-client-policy+jwt"}, claims),
        "a header member twice": jws("root a", b'{"alg":"none","alg":"ES256","typ":"%s"}' % TYPE.encode(), claims),
        "DER signature": f"{head}.{payload}.{b64url_encode(der_signature('root a', f'{head}.{payload}'.encode()))}",
        "signature cut": two[:-4],
        "a dot at the end": two + ".",
        "padding in base64url": two + "==",
        "a line break at the end": two + "\n",
        "no signature": f"{head}.{payload}.",
        "the signature of another step": f"{head}.{payload}.{_step('root a', 3, 'root a').split('.')[2]}",
        "a version left out": _step("root a", 3, "root a"),
        "the version held": _step("root a", 1, "root a", "root c"),
        "version zero": _step("root a", 0, "root a"),
        "a negative version": _step("root a", -2, "root a"),
        "version 2.0": jws("root a", HEADER, spelled(claims).replace(b'"version":2', b'"version":2.0')),
        "version 2e0": jws("root a", HEADER, spelled(claims).replace(b'"version":2', b'"version":2e0')),
        "version is a text": _step("root a", "2", "root a"),
        "version is true": _step("root a", True, "root a"),
        "version is null": _step("root a", None, "root a"),
        "no version": _step("root a", ..., "root a"),
        "version of 2^64 and two": _step("root a", 2**64 + 2, "root a"),
        "no root is kept": _step("root a", 2, "root c", "root d"),
        "five roots": _step("root a", 2, "root a", "root b", "root c", "root d", "root e"),
        "no roots": _step("root a", 2),
        "roots are missing": _step("root a", 2, roots=...),
        "roots are an object": _step("root a", 2, roots=good),
        "roots are null": _step("root a", 2, roots=None),
        "a root twice": _step("root a", 2, "root a", "root a"),
        "a root twice, in other words": _step("root a", 2, roots=[good, {**good, "kid": "other"}]),
        "a root with its private key": _step("root a", 2, roots=[good, jwk("root c") | {"d": jwk("root d")["x"]}]),
        "a root off the curve": _step("root a", 2, roots=[good, off]),
        "a root of another curve": _step("root a", 2, roots=[good, jwk("root c") | {"crv": "P-384"}]),
        "a root of another kind": _step("root a", 2, roots=[good, {"kty": "oct", "k": "AAAA"}]),
        "a root is a text": _step("root a", 2, roots=[good, "root c"]),
        "a root is null": _step("root a", 2, roots=[good, None]),
        "a root with padding": _step("root a", 2, roots=[good, jwk("root c") | {"x": jwk("root c")["x"] + "="}]),
        "another stack's": _step("root a", 2, "root a", iss="other-stack"),
        "a stack whose name only begins like ours": _step("root a", 2, "root a", iss=ISSUER + "-2"),
        "iss is a list with ours in it": _step("root a", 2, "root a", iss=[ISSUER]),
        "no iss": _step("root a", 2, "root a", iss=...),
        "issued more than a day ahead": _step("root a", 2, "root a", iat=NOW + _DAY + 1),
        "iat in milliseconds": _step("root a", 2, "root a", iat=NOW * 1000),
        "iat is negative": _step("root a", 2, "root a", iat=-1),
        "iat with a fraction": _step("root a", 2, "root a", iat=NOW - 0.5),
        "iat is a text": _step("root a", 2, "root a", iat=str(NOW)),
        "no iat": _step("root a", 2, "root a", iat=...),
        "a claim twice": jws("root a", HEADER, twice),
        "a member of a root twice": jws("root a", HEADER, spelled(claims).replace(b'"kty":', b'"kty":"EC","kty":', 1)),
        "claims with text behind": jws("root a", HEADER, spelled(claims) + b"{}"),
        "claims are a list": jws("root a", HEADER, b"[]"),
        "nothing": "",
        "HTML of a hotel": "<html>Please log in</html>",
        "a problem": '{"type":"/problems/no-such-route"}',
    }
    after = _step("root a", 2, "root a", "root c")
    return [
        *(_case(case, [text], 1) for case, text in texts.items()),
        _case("a good step behind a bad one", [texts["no root is kept"], after], 1),
        _case("a bad step behind a good one", [after, _step("root b", 3, "root c")], 2),
        _case("the step after next, first", [_step("root a", 3, "root a"), after], 1),
        _case("a phone in 1970 meets today's", [after], 1, now=5),
    ]


def _built_in_sets() -> list[dict[str, Any]]:
    """What an app may be built with; a mistake here is the developer's, to be found when the app starts."""
    good = jwk("root a")
    sets: dict[str, tuple[Any, bool]] = {
        "one root": ({"version": 1, "roots": [good]}, True),
        "four roots": ({"version": 3, "roots": [jwk(f"root {name}") for name in "abcd"]}, True),
        "members that is unknown": ({"version": 1, "roots": [good], "note": "x"}, True),
        "no roots": ({"version": 1, "roots": []}, False),
        "five roots": ({"version": 1, "roots": [jwk(f"root {name}") for name in "abcde"]}, False),
        "a root twice": ({"version": 1, "roots": [good, good]}, False),
        "a root with its private key": ({"version": 1, "roots": [{**good, "d": good["x"]}]}, False),
        "version zero": ({"version": 0, "roots": [good]}, False),
        "version is a text": ({"version": "1", "roots": [good]}, False),
        "no version": ({"roots": [good]}, False),
        "one root without a list": ({"version": 1, "roots": good}, False),
    }
    return [{"case": case, "built_in": one, "good": is_good} for case, (one, is_good) in sets.items()]
