"""Client data: what is cut before it is hashed, and the hash."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Final

from bonafide_tokens.jose import b64url_encode

from tests.vectors.keys import jwk

_BASE: Final = {"challenge": "Y2hhbGxlbmdl", "app_build": "42", "os": "iOS 27.0", "model": "iPhone18,1", "signals": []}
_FACE: Final = "\U0001f600"
_LONG: Final = [{"name": f"hooking-{n}", "detail": "d" * 300} for n in range(64)]


def client_data() -> dict[str, Any]:
    """``client-data.json``."""
    return {
        "about": "Client data: members as the app has them, and as they are sent; texts; bytes and their hash.",
        "cases": [*_members(), *_hashes()],
        "texts": _texts(),
    }


def _members() -> list[dict[str, Any]]:
    cases: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "nothing to cut": ({}, {}),
        "os of 257 characters": ({"os": "x" * 257}, {"os": "x" * 256}),
        "model with line breaks": ({"model": "Pixel\r\n11"}, {"model": "Pixel11"}),
        "model with a terminal's escape": ({"model": "\x1b[31mPixel"}, {"model": "[31mPixel"}),
        "build of 65 characters": ({"app_build": "1" * 65}, {"app_build": "1" * 64}),
        "build with letters that are no ASCII": ({"app_build": "4\u06602\u00a0"}, {"app_build": "42"}),
        "a signal's detail of 300 characters": (
            {"signals": [{"name": "hooking", "detail": "d" * 300}]},
            {"signals": [{"name": "hooking", "detail": "d" * 256}]},
        ),
        "a signal's name with a zero byte": ({"signals": ["hook\x00ing"]}, {"signals": ["hooking"]}),
        "a signal without a name left": ({"signals": ["\x00", "root"]}, {"signals": ["root"]}),
        "65 signals": ({"signals": [f"s{n}" for n in range(65)]}, {"signals": [f"s{n}" for n in range(64)]}),
        "details that are too many bytes": ({"signals": _LONG}, {"signals": [signal["name"] for signal in _LONG]}),
    }
    return [
        {"case": case, "members": {**_BASE, **given}, "sent": {**_BASE, **sent}}
        for case, (given, sent) in cases.items()
    ]


def _hashes() -> list[dict[str, Any]]:
    plain = {**_BASE, "request_key": jwk("phone"), "measurements": {}, "client_policy_version": 0}
    bodies = {
        "the bytes as they are sent": json.dumps(plain, separators=(",", ":")).encode(),
        "spaces are bytes too": json.dumps(plain).encode(),
        "letters that are no ASCII": json.dumps({**plain, "model": "Überphone"}, ensure_ascii=False).encode(),
        "the same letters as escapes": json.dumps({**plain, "model": "Überphone"}).encode(),
    }
    return [
        {"case": case, "bytes": b64url_encode(body), "sha256": b64url_encode(sha256(body).digest())}
        for case, body in bodies.items()
    ]


def _texts() -> list[dict[str, Any]]:
    """As UTF-16 in hex: not every JSON reader takes lone surrogates."""
    cases: dict[str, tuple[str, str, str]] = {
        "plain": ("text", "iOS 27.0", "iOS 27.0"),
        "empty": ("text", "", ""),
        "256 characters": ("text", "x" * 256, "x" * 256),
        "257 characters": ("text", "x" * 257, "x" * 256),
        "256 characters beyond 16 bits": ("text", _FACE * 256, _FACE * 256),
        "257 characters beyond 16 bits": ("text", _FACE * 257, _FACE * 256),
        "letters with marks are two characters": ("text", "e\u0301" * 129, "e\u0301" * 128),
        "a family of seven characters stays": (
            "text",
            "\U0001f468\u200d\U0001f469\u200d\U0001f467",
            "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        ),
        "a zero byte": ("text", "a\x00b", "ab"),
        "all C0 controls": ("text", "".join(map(chr, range(32))) + "x", "x"),
        "delete": ("text", "a\x7fb", "ab"),
        "all C1 controls": ("text", "".join(map(chr, range(0x80, 0xA0))) + "x", "x"),
        "a space that does not break stays": ("text", "a\u00a0b", "a\u00a0b"),
        "controls are removed before the cut": ("text", "\x00" * 100 + "x" * 256, "x" * 256),
        "a high surrogate alone": ("text", "a\ud800b", "ab"),
        "a low surrogate alone": ("text", "a\udc00b", "ab"),
        "surrogates in the wrong order": ("text", "a\udc00\ud800b", "ab"),
        "a high surrogate at the end": ("text", "ab\ud83d", "ab"),
        "surrogates are removed before the cut": ("text", "\ud800" * 10 + "x" * 256, "x" * 256),
        "a build": ("build", "3.14.1 (beta)", "3.14.1 (beta)"),
        "a build of 65 characters": ("build", "1" * 65, "1" * 64),
        "a build with a letter that is no ASCII": ("build", "4\u00fc2", "42"),
        "a build with a line break": ("build", "42\n", "42"),
        "a build of emoji": ("build", _FACE * 3, ""),
        "a build with a lone surrogate": ("build", "4\ud8002", "42"),
    }
    return [
        {"case": case, "kind": kind, "utf16": text.encode("utf-16-be", "surrogatepass").hex(), "sent": sent}
        for case, (kind, text, sent) in cases.items()
    ]
