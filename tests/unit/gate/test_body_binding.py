"""Body binding: app signs the digest, authorizer hands it on, the backend's function compares."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bonafide_tokens.refusals import request_code
from bonafide_tokens.signed_body import content_digest, requires_signed_body, unsigned_body

from tests.unit.gate.conftest import Lines
from tests.unit.gate.forgery import TOKEN, forged_proof
from tests.unit.gate.other_kinds import KINDS
from tests.unit.gate.stand import Call, Stand, effect

LIBRARY = Path(__file__).parents[3] / "layers" / "tokens" / "src"
BODY = '{"to": "Ana", "amount": "12.50 €"}'.encode()
DIGEST = content_digest(BODY)


@requires_signed_body
def handler(event: dict[str, Any], context: object = None) -> dict[str, Any]:
    """The team's own function."""
    return {"statusCode": 200, "body": f"paid by {context}"}


def event(shape: str, body: bytes | None, signed: object, *, base64_encoded: bool = False) -> dict[str, Any]:
    """A Lambda proxy event with the authorizer's context where that kind of API has it."""
    context: dict[str, Any] = {"app": "demo", "key_id": "k-1"}
    if signed is not None:
        context["content_digest"] = signed
    text = body if body is None else base64.b64encode(body).decode() if base64_encoded else body.decode()
    return {
        "version": "2.0" if shape == "http-2.0" else "1.0",
        "requestContext": {
            "requestId": "r-1",
            "authorizer": {"lambda": context} if shape == "http-2.0" else {"principalId": "k", **context},
        },
        "body": text,
        "isBase64Encoded": base64_encoded,
    }


SHAPES = ("rest", "http-1.0", "http-2.0")


def test_digest_is_spelled_as_in_rfc_9530() -> None:
    """Appendix B's own example: the digest of {"hello": "world"} and a line feed."""
    assert content_digest(b'{"hello": "world"}\n') == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    assert content_digest(b"") == f"sha-256=:{base64.b64encode(hashlib.sha256().digest()).decode()}:"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("base64_encoded", [False, True])
def test_signed_body_reaches_the_handler(shape: str, base64_encoded: bool) -> None:
    """Text or base64, whatever the API hands on; arguments untouched."""
    answer = handler(event(shape, BODY, DIGEST, base64_encoded=base64_encoded), "the app")
    assert answer == {"statusCode": 200, "body": "paid by the app"}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("body", "signed"),
    [
        (BODY + b" ", DIGEST),
        (BODY[:-1], DIGEST),
        (b"", DIGEST),
        (None, DIGEST),
        (BODY, content_digest(b"")),
        (BODY, None),
        (None, None),
        (BODY, ""),
        (BODY, 7),
        (BODY, DIGEST.lower()),
        (BODY, DIGEST.replace("sha-256", "sha-512")),
        (BODY, "\ud800"),
    ],
)
def test_body_that_is_not_the_signed_one_is_a_401_problem(
    shape: str, body: bytes | None, signed: object, log_lines: Lines
) -> None:
    """Changed on the way, dropped, or never signed: the handler is not called."""
    answer = handler(event(shape, body, signed))
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (401, False)
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert answer["headers"]["WWW-Authenticate"].startswith('DPoP error="invalid_dpop_proof"')
    problem = json.loads(answer["body"])
    assert (problem["status"], problem["action"], problem["instance"]) == (401, "sign", "r-1")
    assert problem["title"] in answer["headers"]["WWW-Authenticate"]
    (line,) = log_lines()
    code = request_code("r-1")
    assert problem["support_code"] == line["support_code"] == code
    assert (line["message"], line["action"], line["outcome"]) == ("decision", "body", "refused")
    assert (line["reason"], line["detail"], line["request_id"]) == ("proof-body", problem["title"], "r-1")
    assert (line["app"], line["key_id"]) == ("demo", "k-1")
    written = json.dumps(line)
    assert "Ana" not in written
    assert "sha-" not in written


def test_line_of_a_refusal_is_bounded(log_lines: Lines) -> None:
    """A context's values are the authorizer's, but an event may come from anywhere."""
    odd = event("rest", BODY, None)
    odd["requestContext"]["authorizer"]["app"] = "a" * 300
    handler(odd)
    assert log_lines()[-1]["app"] == "a" * 256


def test_line_of_a_refusal_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda freezes the process when the handler returns: what is buffered then may never be seen."""
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BufferedWriter(written), write_through=False))
    handler(event("rest", BODY, None))
    assert b"proof-body" in written.getvalue()


def test_empty_body_may_be_signed_too() -> None:
    """A digest of nothing is a digest; no digest is none."""
    for body in (b"", None):
        assert unsigned_body(event("rest", body, content_digest(b""))) is None


@pytest.mark.parametrize("change", [
    {"body": "%%%", "isBase64Encoded": True},
    {"body": 7},
    {"body": "\ud800"},
    {"body": ["a"]},
    {"requestContext": None},
    {"requestContext": {"authorizer": None}},
    {"requestContext": {"authorizer": {"lambda": None}}},
])  # fmt: skip
def test_odd_event_is_refused_and_not_an_error(change: dict[str, Any]) -> None:
    """Test consoles and emulators send such events."""
    assert handler(event("rest", BODY, DIGEST) | change)["statusCode"] == 401


def test_body_that_is_no_base64_is_not_taken_for_an_empty_one() -> None:
    """A lenient decoder would skip what it does not know, and find the digest of nothing."""
    odd = event("rest", None, content_digest(b"")) | {"body": "%%%%", "isBase64Encoded": True}
    assert handler(odd)["statusCode"] == 401


@pytest.mark.parametrize("kind", KINDS)
def test_authorizer_hands_the_signed_digest_on(call: Call, kind: str) -> None:
    """On every kind; and nothing where the app signed none."""
    stand = Stand()
    answer = stand.answer(KINDS[kind](call.change(content_digest=DIGEST)))
    assert answer["context"]["content_digest"] == DIGEST
    assert "content_digest" not in stand.answer(KINDS[kind](call.change(jti="proof-2")))["context"]


@pytest.mark.parametrize("header", ["Content-Digest", "content_digest", "Repr-Digest"])
def test_digest_in_a_header_counts_nothing(stand: Stand, call: Call, header: str) -> None:
    """An attacker who changes the body changes the header too; only what the request key signed counts."""
    assert "content_digest" not in stand.call(call.change(headers={header: [DIGEST]}))["context"]


@pytest.mark.parametrize(
    "claim", ["", 7, ["x"], {"sha-256": "x"}, "sha-256=::", DIGEST + "\n", DIGEST + f", {DIGEST}",
              DIGEST.replace("sha-256", "md5"), DIGEST.replace("=:", "=:!", 1), "\ud800"],
)  # fmt: skip
def test_digest_that_is_none_makes_the_proof_malformed(stand: Stand, claim: object, log_lines: Lines) -> None:
    """A claim that a backend could read in two ways is not handed on."""
    proof = forged_proof(claims={"content-digest": claim})
    assert effect(stand.call(Call(token=TOKEN, proof=proof))) == "Deny"
    assert log_lines()[-1]["reason"] == "proof-malformed"


def test_whole_way_from_app_to_backend(call: Call) -> None:
    """What the app signed, the authorizer checked, and the backend compares."""
    context = Stand().call(call.change(content_digest=content_digest(BODY)))["context"]
    proxy = {"requestContext": {"authorizer": context}, "body": BODY.decode(), "isBase64Encoded": False}
    assert handler(proxy)["statusCode"] == 200
    assert handler(proxy | {"body": BODY.decode().replace("12.50", "99.50")})["statusCode"] == 401


def test_backend_needs_no_package_of_ours_but_this_module() -> None:
    """The standard library is enough: no cryptography in the team's function."""
    probe = (
        f"import sys; sys.path.insert(0, {str(LIBRARY)!r}); import bonafide_tokens.signed_body; "
        "print([m for m in sys.modules if m.startswith(('bonafide_tokens.', 'attestation', 'cryptography'))])"
    )
    run = subprocess.run([sys.executable, "-I", "-S", "-c", probe], capture_output=True, text=True, check=True)
    loaded = "['bonafide_tokens.errors', 'bonafide_tokens.refusals', 'bonafide_tokens.signed_body']"
    assert run.stdout.strip() == loaded
