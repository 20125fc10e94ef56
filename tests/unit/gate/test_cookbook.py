"""The cookbook's recipe for a backend without our authorizer runs, and refuses what it must."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from bonafide_tokens.errors import TokenError
from bonafide_tokens.jose import b64url_encode

from tests.architecture.source_tree import ROOT
from tests.unit.gate import stand

_PAGE = (ROOT / "docs/cookbook.md").read_text("utf-8")


@pytest.fixture(scope="module")
def caller_of() -> Callable[..., Any]:
    """The function of the page's first block of Python, at the stand's time."""
    (block,) = re.findall(r"^```python\n(.*?)^```$", _PAGE, re.DOTALL | re.MULTILINE)
    made: dict[str, Any] = {}
    exec(block, made)  # noqa: S102 - our own page
    made["time"] = lambda: stand.NOW
    recipe: Callable[..., Any] = made["caller_of"]
    return recipe


def _asked(caller_of: Callable[..., Any], call: stand.Call, **changes: Any) -> Any:
    usual = {
        "bundle_text": stand.signed(stand.bundle()),
        "root_key": b64url_encode(stand.public_key("root").point),
        "issuer": stand.ISSUER,
        "audience": stand.AUDIENCE,
    }
    return caller_of(call.method, call.url, [call.token], [call.proof_text()], **(usual | changes))


def test_it_names_the_caller(caller_of: Callable[..., Any]) -> None:
    """As the authorizer's context would."""
    caller = _asked(caller_of, stand.Call())
    assert (caller.app, caller.key_id, caller.tier) == (stand.APP, stand.KEY_ID, "affirming")


@pytest.mark.parametrize(
    ("call", "changes"),
    [
        (stand.Call(token=stand.token(now=stand.NOW - 1000)), {}),
        (stand.Call(token=stand.token(audience=("another",))), {}),
        (stand.Call(token="no.token.at-all"), {}),
        (stand.Call(signed_url="https://elsewhere.example.com/v1/orders"), {}),
        (stand.Call(signer="thief"), {}),
        (stand.Call(), {"issuer": "another-stack"}),
        (stand.Call(), {"root_key": b64url_encode(stand.public_key("token").point)}),
        (stand.Call(), {"bundle_text": stand.signed(stand.bundle(apps=stand.blocked(stand.KEY_ID)))}),
        (stand.Call(), {"bundle_text": stand.signed(stand.bundle(), by="token")}),
        (stand.Call(), {"bundle_text": stand.signed(stand.bundle(expires_at=stand.NOW - 60))}),
    ],
    ids=[
        "expired",
        "audience",
        "no-token",
        "url",
        "thief",
        "issuer",
        "root-key",
        "blocked",
        "another-signer",
        "old-bundle",
    ],
)
def test_it_refuses(caller_of: Callable[..., Any], call: stand.Call, changes: dict[str, Any]) -> None:
    """By the error that the page names."""
    with pytest.raises(TokenError):
        _asked(caller_of, call, **changes)


def test_recipe_takes_five_lines() -> None:
    """As its heading promises: the function's body."""
    (body,) = re.findall(r"^def caller_of\([^\n]*:\n((?:    [^\n]*\n)+)", _PAGE, re.MULTILINE)
    assert len(body.splitlines()) == 5
