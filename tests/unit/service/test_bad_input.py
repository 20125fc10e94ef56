"""Bad input on every route: the table of ARCHITECTURE §3, nothing lost, never a 500."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import describe_caller
import pytest
from bonafide_tokens.jose import b64url_encode
from hypothesis import given, settings
from hypothesis import strategies as st
from service.edge.problems import PROBLEM_TYPES

from tests.service_stack.events import json_of, rest_event, slug_of
from tests.service_stack.memory_stack import APP, MemoryStack

Body = dict[str, Any]
POSTS = ("/v1/challenges", "/v1/attestations", "/v1/tokens")
SLUGS = {problem.slug: problem.status for problem in PROBLEM_TYPES}


@pytest.fixture(scope="module")
def shared() -> MemoryStack:
    """One stack for tests that must not change anything in it."""
    return MemoryStack()


def good_body(stack: MemoryStack, path: str) -> Body:
    """A body that the route accepts; a fresh device each time."""
    installation = stack.installation()
    if path == "/v1/challenges":
        return {"app": APP}
    if path == "/v1/tokens":
        stack.enrol(installation)
        return installation.renewal_body(installation.client_data(stack.challenge()))
    return installation.attestation_body(installation.client_data(stack.challenge()))


def refusal(stack: MemoryStack, path: str, body: object, **more: Any) -> tuple[int, str]:
    """Status and slug of an answer that must be a refusal from the table and leave everything as it was."""
    before = dict(stack.attested_keys.rows), set(stack.redemption.spent)
    answer = stack.send("POST", path, body, **more)
    assert (dict(stack.attested_keys.rows), set(stack.redemption.spent)) == before
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    document = json_of(answer)
    assert document["status"] == answer["statusCode"] == SLUGS[slug_of(answer)]
    return answer["statusCode"], slug_of(answer)


@pytest.mark.parametrize("path", POSTS)
def test_good_body_is_accepted(stack: MemoryStack, path: str) -> None:
    """The default of this file: whatever is refused below is refused for what was done to it."""
    assert stack.send("POST", path, good_body(stack, path))["statusCode"] in (200, 201)


RAW = {
    "missing": None,
    "empty": "",
    "white space": " \r\n\t",
    "word": "hello",
    "number": "17",
    "null": "null",
    "list": "[]",
    "empty object": "{}",
    "form": "app=demo&x=1",
    "xml": "<?xml version='1.0'?><app>demo</app>",
    "null byte": "\x00",
    "null bytes": "\x00" * 1000,
    "deep lists": "[" * 30_000 + "]" * 30_000,
    "deep objects": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "deep and open": "[" * 65_000,
    "huge number": '{"app": ' + "9" * 60_000 + "}",
    "huge exponent": '{"app": 1e999999999}',
    "minus zero": '{"app": -0}',
    "not a number": '{"app": NaN}',
    "infinity": '{"app": Infinity}',
    "repeated member": '{"app": "demo", "app": "demo"}',
    "byte order mark": "\ufeff{}",
    "lone surrogate": '{"app": "\\ud800"}',
    "escaped null": '{"app": "\\u0000"}',
    "prototype": '{"__proto__": {"app": "demo"}, "constructor": 1}',
    "utf-16 in base64": '{"app": "demo"}'.encode("utf-16"),
    "broken utf-8 in base64": b'{"app": "\xff\xfe"}',
    "gzip in base64": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "random in base64": bytes(range(256)),
}


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", RAW.values(), ids=RAW.keys())
def test_body_that_is_no_request_is_malformed(shared: MemoryStack, path: str, body: object) -> None:
    """400 malformed-request, on every route that takes a body."""
    assert refusal(shared, path, body) == (400, "malformed-request")


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("size", [65_537, 100_000, 6_000_000])
@pytest.mark.parametrize("filling", [" ", "{", "9", "é"])
def test_oversized_body_is_too_large(shared: MemoryStack, path: str, size: int, filling: str) -> None:
    """413, judged before parsing, also for bodies in base64."""
    assert refusal(shared, path, filling * size) == (413, "too-large")
    assert refusal(shared, path, filling.encode("utf-8") * size) == (413, "too-large")


@pytest.mark.parametrize("path", POSTS)
def test_body_flagged_base64_that_is_not_is_malformed(shared: MemoryStack, path: str) -> None:
    """The flag is API Gateway's; a body that contradicts it is no request of its own."""
    for text in ('{"app": "demo"}', "e30", "e30=\n", "é===="):
        assert refusal(shared, path, text, base64_encoded=True) == (400, "malformed-request")


@pytest.mark.parametrize("path", POSTS)
def test_body_in_base64_is_read(stack: MemoryStack, path: str) -> None:
    """Clients may send binary media types; API Gateway then encodes the body."""
    body = json.dumps(good_body(stack, path)).encode("utf-8")
    assert stack.send("POST", path, body)["statusCode"] in (200, 201)


@pytest.mark.parametrize("path", POSTS)
def test_every_truncation_of_a_good_body_is_malformed(stack: MemoryStack, path: str) -> None:
    """A connection that broke, at any of 150 places."""
    text = json.dumps(good_body(stack, path))
    for end in range(0, len(text), max(1, len(text) // 150)):
        assert refusal(stack, path, text[:end]) == (400, "malformed-request")


WRONG: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    2**63,
    "",
    "x" * 30_000,
    [],
    [[]],
    {},
    {"a": {"b": {}}},
    "\x00",
    "../..",
    "💥",
    "\u202e",
)


@pytest.mark.parametrize("path", POSTS)
def test_every_member_of_a_wrong_type_or_value_is_refused(stack: MemoryStack, path: str) -> None:
    """Each member in turn becomes each wrong value: 400 (or 409 and 404 where a text is a text), nothing enrolled."""
    good = good_body(stack, path)
    for member in good:
        for wrong in WRONG:
            status, slug = refusal(stack, path, {**good, member: wrong})
            assert (status, slug) in ((400, "malformed-request"), (400, "malformed-evidence"), (404, "unknown-app")), (
                member,
                wrong,
            )


@pytest.mark.parametrize("path", POSTS)
def test_missing_or_unknown_member_is_malformed(stack: MemoryStack, path: str) -> None:
    """The documented members, all of them and no others."""
    good = good_body(stack, path)
    for member in good:
        assert refusal(stack, path, {m: v for m, v in good.items() if m != member}) == (400, "malformed-request")
    for extra in ("extra", "App", "__proto__", "", "token"):
        assert refusal(stack, path, {**good, extra: 1}) == (400, "malformed-request")


@pytest.mark.parametrize(
    "app", ["Demo", "demo\n", "demo\x00", ".demo", "-demo", "a" * 65, "dëmo", "demo/..", "demo demo"]
)
@pytest.mark.parametrize("path", POSTS[:2])
def test_app_name_out_of_the_alphabet_is_malformed(stack: MemoryStack, path: str, app: str) -> None:
    """A name goes into keys, tokens and log lines: plain letters only, no line breaks."""
    assert refusal(stack, path, {**good_body(stack, path), "app": app}) == (400, "malformed-request")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"null",
        b"[" * 16_000,
        b'{"a":' * 3_000,
        b"\xff" * 100,
        b'{"challenge": "x", "challenge": "x"}',
        b'{"challenge": NaN}',
        b"9" * 16_000,
        b" " * 16_385,
    ],
    ids=["empty", "no-members", "null", "deep-lists", "deep-objects", "not-utf-8", "repeated", "nan", "digits", "long"],
)
@pytest.mark.parametrize("path", POSTS[1:])
def test_client_data_that_cannot_be_read_is_refused(stack: MemoryStack, path: str, data: bytes) -> None:
    """The document inside the document gets the same care."""
    status, slug = refusal(stack, path, {**good_body(stack, path), "client_data": b64url_encode(data)})
    assert (status, slug) in ((400, "malformed-evidence"), (400, "malformed-request"))


@pytest.mark.parametrize("path", POSTS[1:])
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("challenge", 5),
        ("challenge", "x" * 300),
        ("request_key", "x"),
        ("request_key", {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
        ("request_key", {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}),
        ("request_key", {"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
        ("app_build", {"a": 1}),
        ("signals", [{"name": ""}]),
        ("signals", ["x"] * 100),
        ("measurements", {"a": "b"}),
        ("client_policy_version", -1),
        ("client_policy_version", 1e400),
        ("client_policy_version", True),
    ],
)
def test_client_data_with_a_wrong_member_is_malformed_evidence(
    stack: MemoryStack, path: str, member: str, value: object
) -> None:
    """What the app says about itself has a form, too."""
    installation = stack.installation()
    challenge = stack.challenge()
    data = json.loads(installation.client_data(challenge)) | {member: value}
    body = {**good_body(stack, path), "client_data": b64url_encode(json.dumps(data).encode())}
    assert refusal(stack, path, body) == (400, "malformed-evidence")


@pytest.mark.parametrize("challenge", ["", "x", "A" * 64, "A" * 63 + "=", "é" * 64, "\x00" * 64, " " * 64])
@pytest.mark.parametrize("path", POSTS[1:])
def test_text_that_is_no_challenge_is_challenge_unusable(stack: MemoryStack, path: str, challenge: str) -> None:
    """Forged and garbled challenges have one face."""
    installation = stack.installation()
    body = {**good_body(stack, path), "client_data": b64url_encode(installation.client_data(challenge))}
    assert refusal(stack, path, body) == (409, "challenge-unusable")


def test_garbled_evidence_is_refused_and_the_challenge_kept(stack: MemoryStack) -> None:
    """Evidence cut or flipped at many places: refused, and the same challenge then enrols the genuine device."""
    installation = stack.installation()
    data = installation.client_data(stack.challenge())
    genuine = installation.phone.attest_key(installation.key_id, sha256(data).digest())
    for place in range(0, 900, 37):  # certificates; the receipt after them is unsigned, and has its own tests
        flipped = bytearray(genuine)
        flipped[place] ^= 1
        for evidence in (bytes(flipped), genuine[:place]):
            status, slug = refusal(stack, "/v1/attestations", installation.attestation_body(data, evidence))
            assert (status, slug) in ((400, "malformed-evidence"), (403, "evidence-rejected"))
    assert stack.send("POST", "/v1/attestations", installation.attestation_body(data, genuine))["statusCode"] == 201


@given(path=st.sampled_from(POSTS), body=st.binary(max_size=600) | st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_get_an_answer_from_the_table(path: str, body: bytes | str) -> None:
    """Nothing escapes, whatever the bytes."""
    answer = _SHARED().send("POST", path, body)
    assert slug_of(answer) == "malformed-request"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@given(
    path=st.sampled_from(POSTS),
    members=st.dictionaries(st.sampled_from(["app", "client_data", "evidence", "key_id", "x"]), json_values),
)
@settings(max_examples=300, deadline=None)
def test_any_json_gets_an_answer_from_the_table(path: str, members: Body) -> None:
    """Well-formed JSON of any shape: an answer of the table, and never 503."""
    answer = _SHARED().send("POST", path, json.dumps(members))
    if answer["statusCode"] != 201:  # {"app": "a"} is a genuine request for a challenge
        assert SLUGS[slug_of(answer)] == answer["statusCode"] < 500


def _shared_stack() -> Callable[[], MemoryStack]:
    made: list[MemoryStack] = []

    def get() -> MemoryStack:
        if not made:
            made.append(MemoryStack())
        return made[0]

    return get


_SHARED = _shared_stack()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("body", [None, "", "x" * 100_000, "\x00", b"\xff" * 1000, {"any": "thing"}])
def test_guarded_route_ignores_its_body(method: str, body: object) -> None:
    """/v1/whoami shows the authorizer's context and reads nothing of the caller's."""
    event = rest_event(method, "/v1/whoami", body, authorizer={"app": "demo", "tier": "affirming"})
    answer = describe_caller.handler(event, None)
    assert (answer["statusCode"], json_of(answer)) == (200, {"app": "demo", "tier": "affirming"})


@pytest.mark.parametrize("path", ["/v1/trust-bundle", "/.well-known/jwks.json"])
@pytest.mark.parametrize("condition", ["", "x" * 8000, "\x00", '"' * 500, "*, *", "W/", "é"])
def test_document_route_takes_any_condition(shared: MemoryStack, path: str, condition: str) -> None:
    """A broken If-None-Match only means: send it."""
    answer = shared.send("GET", path, "garbage body", headers={"If-None-Match": condition})
    assert answer["statusCode"] == 200
