"""Protected resource metadata (RFC 9728), served by the middleware to callers who have no token yet."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bonafide_tokens.backends.asgi import GuardedASGI
from bonafide_tokens.backends.metadata import metadata_of
from bonafide_tokens.backends.wsgi import GuardedWSGI
from bonafide_tokens.gate.settings import SettingsError

from tests.backends.drivers import Answered, guard_of, through_asgi, through_wsgi
from tests.unit.gate.stand import AUDIENCE, Call, Stand

PATH = "/.well-known/oauth-protected-resource"


def asked(kind: str, call: Call, **settings: Any) -> Answered:
    """What a middleware answers; the application behind it must not be reached."""
    guard = guard_of(Stand(**settings))
    metadata = metadata_of(guard.settings)
    if kind == "ASGI":
        return through_asgi(GuardedASGI(None, guard, metadata=metadata), call)  # type: ignore[arg-type]
    return through_wsgi(GuardedWSGI(None, guard, metadata=metadata), call)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["ASGI", "WSGI"])
def test_metadata_says_what_the_api_takes(kind: str) -> None:
    answer = asked(kind, Call(method="GET", path=PATH, token=None, proof=None))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert json.loads(answer.body) == {
        "resource": AUDIENCE,
        "bearer_methods_supported": [],
        "client_attestation_signing_alg_values_supported": ["ES256"],
        "client_attestation_pop_methods_supported": ["attestation_pop_jwt", "dpop_combined"],
        "client_attestation_pop_signing_alg_values_supported": ["ES256"],
        "dpop_signing_alg_values_supported": ["ES256"],
    }


@pytest.mark.parametrize("kind", ["ASGI", "WSGI"])
@pytest.mark.parametrize(("method", "path"), [("POST", PATH), ("GET", PATH + "/x"), ("GET", PATH + "/"), ("GET", "/")])
def test_everything_else_is_guarded_as_before(kind: str, method: str, path: str) -> None:
    assert asked(kind, Call(method=method, path=path, token=None, proof=None)).status == 401


def test_head_has_no_body() -> None:
    for kind in ("ASGI", "WSGI"):
        answer = asked(kind, Call(method="HEAD", path=PATH, token=None, proof=None))
        assert (answer.status, answer.body) == (200, b"")


def test_pop_is_not_offered_where_it_is_off() -> None:
    document = metadata_of(Stand(pop_header="").settings).document
    assert document["client_attestation_pop_methods_supported"] == ["dpop_combined"]
    assert "client_attestation_pop_signing_alg_values_supported" not in document


@pytest.mark.parametrize(
    ("audience", "path"),
    [
        ("https://api.example.com", PATH),
        ("https://api.example.com/", PATH),
        ("https://api.example.com/shop", PATH + "/shop"),
    ],
)
def test_path_is_where_clients_look(audience: str, path: str) -> None:
    """RFC 9728 §3.1: the well-known part stands between host and path."""
    assert metadata_of(Stand(audience=audience).settings).path == path


@pytest.mark.parametrize("audience", ["bonafide-api", "http://api.example.com", "https://api.example.com?a=1", ""])
def test_audience_that_is_no_url_is_not_published(audience: str) -> None:
    with pytest.raises(SettingsError, match="AUDIENCE"):
        metadata_of(Stand(audience=audience).settings)
