"""Frameworks, as their documentation is pasted: the same attacks, the same answers."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from bonafide_tokens.backends import guard as guard_module
from bonafide_tokens.backends.guard import SignedBody
from bonafide_tokens.signed_body import content_digest

from tests.architecture.source_tree import ROOT
from tests.backends.attacks import ATTACKS, GENUINE
from tests.backends.drivers import at_authorizer, guard_of, through_asgi, through_wsgi, use_frameworks
from tests.backends.frameworks import at_django, at_fastapi, at_flask
from tests.unit.gate.stand import NOW, Call, Stand

pytestmark = pytest.mark.skipif(not use_frameworks(), reason="no frameworks are installed: `make backends` gets them")
PAGE = ROOT / "docs/backends.md"


@pytest.fixture(autouse=True)
def _fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "time", lambda: NOW)


def pasted(language_mark: str) -> str:
    """The one example of the page that has this text."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    (block,) = [found for found in blocks if language_mark in found]
    return str(block)


PLACES = {"FastAPI": at_fastapi, "Flask": at_flask, "Django": at_django}


@pytest.fixture(params=PLACES)
def send(request: pytest.FixtureRequest) -> Any:
    return PLACES[request.param]


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused_as_by_the_authorizer(name: str, send: Any) -> None:
    call = ATTACKS[name]
    allowed, context = at_authorizer(Stand(), call)
    answer = send(guard_of(Stand()), call)
    assert not allowed
    if answer.status != 401:  # the framework refused it by itself, before it was asked
        assert answer.status in (307, 308, 400, 404), name
        assert b"key_id" not in answer.body
        return
    assert answer.headers["www-authenticate"] == context["www_authenticate"]
    assert answer.problem["title"] == context["reason_title"]


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_call_passes(name: str, send: Any) -> None:
    answer = send(guard_of(Stand()), GENUINE[name])
    assert answer.status == 200
    assert ("key_id" in answer.problem) is True


def test_body_must_be_the_signed_one(send: Any) -> None:
    signed = Call(content_digest=content_digest(b"{}"))
    assert send(guard_of(Stand()), signed, b"{}").status == 200
    refused = send(guard_of(Stand()), signed, b"[]")
    assert (refused.status, refused.problem["title"]) == (401, "The proof does not sign this body.")
    assert send(guard_of(Stand(), signed_body=SignedBody.REQUIRE), Call(), b"{}").status == 401


@pytest.fixture
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from bonafide_tokens.jose import b64url_encode

    from tests.unit.gate.stand import AUDIENCE, ISSUER, public_key

    told = {
        "TRUST_BUNDLE_URL": "http://127.0.0.1:9/v1/trust-bundle",
        "ROOT_PUBLIC_KEY": b64url_encode(public_key("root").point),
        "TOKEN_ISSUER": ISSUER,
        "AUDIENCE": AUDIENCE,
        "EXTERNAL_ORIGIN": "https://api.example.com",
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize(
    ("mark", "through"),
    [
        ("FastAPI()", through_asgi),
        ("GuardedASGI(", through_asgi),
        ("GuardedWSGI(", through_wsgi),
        ("Flask(", through_wsgi),
    ],
)
def test_example_of_the_page_is_protected_as_it_stands(mark: str, through: Any) -> None:
    """Pasted whole. Its server of trust bundles is down, so it must refuse: an example that protects nothing passes."""
    names: dict[str, Any] = {"__name__": "pasted"}
    exec(compile(pasted(mark), "docs/backends.md", "exec"), names)  # noqa: S102 - our own page
    answer = through(names["app"], Call(method="GET", path="/orders"))
    assert (answer.status, answer.problem["type"]) == (401, "/problems/temporarily_unavailable")


def test_lines_of_the_example_are_few() -> None:
    lines = [line for line in pasted("FastAPI()").splitlines() if line.strip()]
    assert len(lines) <= 10
    assert os.environ.get("DJANGO_SETTINGS_MODULE") is None
