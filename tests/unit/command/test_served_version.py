"""Which trust bundle a stack's address serves: whatever stands behind the address, watching it never fails."""

from __future__ import annotations

import io
import urllib.request
from typing import cast

import pytest
from bonafide_tokens.jose import b64url_encode

from bonafide.operator.deployment import Deployment
from bonafide.operator.publication import served_version


class Stack:
    """What is asked of a deployment here."""

    verifier_url = "http://127.0.0.1:1"


def jws_of(payload: bytes) -> bytes:
    return b".".join([b"e30", b64url_encode(payload).encode("ascii"), b"e30"])


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        (jws_of(b'{"version": 7}'), 7),
        (jws_of(b'{"version": "7"}'), 0),
        (jws_of(b"[7]"), 0),
        (jws_of(b"not JSON"), 0),
        (b"a.not base64url.c", 0),
        (b"<html>a proxy's page</html>", 0),
        ("ü.ü.ü".encode(), 0),
        (b"", 0),
    ],
)
def test_answer_that_is_no_bundle_is_version_0(monkeypatch: pytest.MonkeyPatch, answer: bytes, version: int) -> None:
    """A proxy's page in the place of a bundle is an answer like any other, and no stack trace."""
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO(answer))
    assert served_version(cast(Deployment, Stack())) == version
