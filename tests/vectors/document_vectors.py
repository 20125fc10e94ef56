"""What the document of a client policy asks for: its members, minimum builds and pins."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

from tests.vectors.keys import NOW


def pin(name: str) -> str:
    """The pin of a key that is called so."""
    return b64encode(hashlib.sha256(f"key {name}".encode()).digest()).decode()


_DEFAULTS: Final[Mapping[str, Any]] = {
    "refresh_seconds": 3600,
    "must_be_current": False,
    "stale_after_seconds": 604_800,
    "minimum_builds": {},
    "features_off": [],
    "reactions": {},
    "pins": [],
    "secrets": {},
    "regions": {},
}
_PINS: Final = {"host": "api.example.com", "spki_sha256": [pin("1"), pin("2")], "expires": "2027-06-30"}


def documents() -> list[dict[str, Any]]:
    """Documents and what an app does by them."""
    taken: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "nothing but the format": ({}, {}),
        "members that is unknown": ({"teleport": {"to": "mars"}, "x": None}, {}),
        "refresh": ({"refresh_seconds": 60}, {"refresh_seconds": 60}),
        "a week's refresh": ({"refresh_seconds": 604_800}, {"refresh_seconds": 604_800}),
        "must be current": (
            {"stale": {"mode": "must-be-current", "after_seconds": 86_400, "why": "money"}},
            {"must_be_current": True, "stale_after_seconds": 86_400},
        ),
        "keep last, in words": ({"stale": {"mode": "keep-last"}}, {}),
        "reactions": (
            {"detectors": {"hooking": {"reaction": "block"}, "root": {"reaction": "warn"}, "debugger": {}}},
            {"reactions": {"hooking": "block", "root": "warn", "debugger": "report"}},
        ),
        "every reaction": (
            {"detectors": {"hooking": {"reaction": "wipe"}, "jailbreak": {"reaction": "report"}}},
            {"reactions": {"hooking": "wipe", "jailbreak": "report"}},
        ),
        "a detector that is off": (
            {"detectors": {"automation": {"enabled": False, "reaction": "wipe"}}},
            {"reactions": {"automation": None}},
        ),
        "a detector that is unknown": ({"detectors": {"telepathy": {"reaction": "panic"}, "mind": 7}}, {}),
        "kill switches": (
            {"kill_switches": {"payments": True, "chat": False, "ar.mode": True}},
            {"features_off": ["ar.mode", "payments"]},
        ),
        "minimum builds": (
            {"minimum_builds": {"ios": "3.14.1", "android": "4200", "fridge": 7}},
            {"minimum_builds": {"ios": "3.14.1", "android": "4200"}},
        ),
        "secrets": (
            {"secrets": {"maps-key": {"minimum_version": 3, "note": "x"}, "feed": {}}},
            {"secrets": {"maps-key": 3, "feed": 1}},
        ),
        "pins": (
            {"pins": [{**_PINS, "include_subdomains": True, "why": "x"}]},
            {"pins": [{**_PINS, "include_subdomains": True, "expires_at": 1_814_313_600}]},
        ),
        "pins with a time": (
            {"pins": [{**_PINS, "expires": "2027-06-30T18:00:00Z"}]},
            {"pins": [{**_PINS, "include_subdomains": False, "expires_at": 1_814_378_400}]},
        ),
        "regions": (
            {"regions": {"eu": "https://eu.example.com/prod", "us-2": "https://us.example.com:8443"}},
            {"regions": {"eu": "https://eu.example.com/prod", "us-2": "https://us.example.com:8443"}},
        ),
    }
    refused: dict[str, dict[str, Any]] = {
        "no format": {"format": ...},
        "format 2": {"format": 2},
        "format 0": {"format": 0},
        "format is true": {"format": True},
        "format is a text": {"format": "1"},
        "refresh is a text": {"refresh_seconds": "900"},
        "refresh is true": {"refresh_seconds": True},
        "refresh is null": {"refresh_seconds": None},
        "refresh with a fraction": {"refresh_seconds": 900.5},
        "refresh at once, again and again": {"refresh_seconds": 0},
        "refresh is negative": {"refresh_seconds": -1},
        "refresh never": {"refresh_seconds": 604_801},
        "stale is a text": {"stale": "keep-last"},
        "stale mode of the future": {"stale": {"mode": "delete"}},
        "stale mode is null": {"stale": {"mode": None}},
        "stale at once": {"stale": {"mode": "must-be-current", "after_seconds": 0}},
        "stale never": {"stale": {"after_seconds": 7_776_001}},
        "detectors are a list": {"detectors": ["hooking"]},
        "a detector is a text": {"detectors": {"hooking": "block"}},
        "a detector is null": {"detectors": {"hooking": None}},
        "a reaction of the future": {"detectors": {"hooking": {"reaction": "panic"}}},
        "a reaction in capitals": {"detectors": {"hooking": {"reaction": "Block"}}},
        "a reaction is null": {"detectors": {"hooking": {"reaction": None}}},
        "enabled is a number": {"detectors": {"hooking": {"enabled": 0}}},
        "enabled is a text": {"detectors": {"hooking": {"enabled": "false"}}},
        "a kill switch is a number": {"kill_switches": {"payments": 1}},
        "kill switches are a list": {"kill_switches": ["payments"]},
        "a minimum build is a number": {"minimum_builds": {"ios": 42}},
        "a minimum build is no number": {"minimum_builds": {"ios": "3.14-beta"}},
        "a minimum build is empty": {"minimum_builds": {"android": ""}},
        "a secret is a number": {"secrets": {"maps-key": 3}},
        "a least version is zero": {"secrets": {"maps-key": {"minimum_version": 0}}},
        "a least version is a text": {"secrets": {"maps-key": {"minimum_version": "3"}}},
        "pins are an object": {"pins": _PINS},
        "a pin set is a text": {"pins": ["api.example.com"]},
        "a pin set without a host": {"pins": [{**_PINS, "host": ...}]},
        "a pin set for a host in capitals": {"pins": [{**_PINS, "host": "API.example.com"}]},
        "a pin set for a star": {"pins": [{**_PINS, "host": "*.example.com"}]},
        "a pin set for a host with a port": {"pins": [{**_PINS, "host": "api.example.com:443"}]},
        "a pin set without pins": {"pins": [{**_PINS, "spki_sha256": []}]},
        "a pin in base64url": {"pins": [{**_PINS, "spki_sha256": [pin("1"), "-" * 42 + "A="]}]},
        "a pin in hex": {"pins": [{**_PINS, "spki_sha256": [pin("1"), hashlib.sha256(b"").hexdigest()]}]},
        "a pin is a number": {"pins": [{**_PINS, "spki_sha256": [pin("1"), 7]}]},
        "a pin set that never expires": {"pins": [{**_PINS, "expires": ...}]},
        "expires in Unix seconds": {"pins": [{**_PINS, "expires": 1_814_313_600}]},
        "expires on a day that is in no calendar": {"pins": [{**_PINS, "expires": "2027-02-29"}]},
        "expires in another zone": {"pins": [{**_PINS, "expires": "2027-06-30T18:00:00+01:00"}]},
        "subdomains is a text": {"pins": [{**_PINS, "include_subdomains": "true"}]},
        "regions are a list": {"regions": ["https://eu.example.com"]},
        "a region by http": {"regions": {"eu": "http://eu.example.com"}},
        "a region with a query": {"regions": {"eu": "https://eu.example.com/?a=b"}},
        "a region with a fragment": {"regions": {"eu": "https://eu.example.com#a"}},
        "a region with a user's name": {"regions": {"eu": "https://eu.example.com@evil.example"}},
        "a region with a slash at the end": {"regions": {"eu": "https://eu.example.com/"}},
        "a region without a host": {"regions": {"eu": "https://"}},
        "a region with a name in capitals": {"regions": {"EU": "https://eu.example.com"}},
        "a region is null": {"regions": {"eu": None}},
    }
    return [
        *(
            {"case": case, "document": _document(members), "enforced": {**_DEFAULTS, **does}}
            for case, (members, does) in taken.items()
        ),
        *({"case": case, "document": _document(members), "enforced": None} for case, members in refused.items()),
    ]


def _document(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _there(value) for name, value in {"format": 1, **members}.items() if value is not ...}


def _there(value: Any) -> Any:
    """Without what is marked as absent, inside lists of objects too."""
    if isinstance(value, list):
        return [_there(item) for item in value]
    if isinstance(value, dict):
        return {name: inner for name, inner in value.items() if inner is not ...}
    return value


def builds() -> list[dict[str, Any]]:
    """Minimum builds and the build at hand."""
    cases: dict[str, tuple[str, str | None, bool]] = {
        "the same": ("3.14.1", "3.14.1", True),
        "newer": ("3.14.1", "3.14.2", True),
        "older": ("3.14.1", "3.14.0", False),
        "ten is after nine": ("1.9", "1.10", True),
        "nine is before ten": ("1.10", "1.9", False),
        "zeros at the end": ("1.0.0", "1", True),
        "zeros in front": ("42", "042", True),
        "longer is newer": ("1", "1.0.1", True),
        "shorter is older": ("1.0.1", "1", False),
        "no build": ("1", None, False),
        "an empty build": ("1", "", False),
        "a build with a word": ("1", "2-beta", False),
        "a build with a v": ("1", "v2", False),
        "a negative build": ("1", "-2", False),
        "a build with a dot at the end": ("1", "2.", False),
        "a build with a dot in front": ("1", ".2", False),
        "a build with two dots": ("1", "2..1", False),
        "a build of five numbers": ("1", "2.0.0.0.0", False),
        "a build with a space": ("1", " 2", False),
        "a build with a line break": ("1", "2\n", False),
        "digits of another script": ("1", "\u0662", False),
        "a build of 19 digits": ("9223372036854775807", "9223372036854775807", True),
        "a build beyond 64 bits": ("9223372036854775807", "9999999999999999999", True),
        "a build of 20 digits": ("1", "10000000000000000000", False),
        "a part of ten digits": ("1", "2.1000000000", False),
    }
    return [
        {"case": case, "least": least, "build": build, "allowed": allowed}
        for case, (least, build, allowed) in cases.items()
    ]


def pins() -> dict[str, Any]:
    """``pins.json``."""
    one = {**_PINS, "include_subdomains": False}
    below = {**one, "host": "example.com", "include_subdomains": True, "spki_sha256": [pin("3"), pin("4")]}
    ends = 1_814_313_600
    cases: dict[str, tuple[list[dict[str, Any]], str, int, list[str], bool]] = {
        "no pins": ([], "api.example.com", NOW, [pin("9")], True),
        "the leaf is pinned": ([one], "api.example.com", NOW, [pin("1"), pin("9")], True),
        "the issuer is pinned": ([one], "api.example.com", NOW, [pin("9"), pin("2")], True),
        "the backup is pinned": ([one], "api.example.com", NOW, [pin("2")], True),
        "no key is pinned": ([one], "api.example.com", NOW, [pin("8"), pin("9")], False),
        "an empty chain": ([one], "api.example.com", NOW, [], False),
        "another host is free": ([one], "www.example.com", NOW, [pin("9")], True),
        "a host below is free": ([one], "v2.api.example.com", NOW, [pin("9")], True),
        "a host below is pinned": ([below], "www.example.com", NOW, [pin("9")], False),
        "two levels below are pinned": ([below], "a.b.example.com", NOW, [pin("9")], False),
        "two levels below, good": ([below], "a.b.example.com", NOW, [pin("3")], True),
        "the host itself is pinned too": ([below], "example.com", NOW, [pin("9")], False),
        "a host that only ends like it is free": ([below], "myexample.com", NOW, [pin("9")], True),
        "a host that only begins like it is free": ([below], "example.com.evil.example", NOW, [pin("9")], True),
        "the longest name counts": ([below, one], "api.example.com", NOW, [pin("3")], False),
        "the longest name counts, whatever the order": ([one, below], "api.example.com", NOW, [pin("1")], True),
        "the host in capitals": ([one], "API.Example.COM", NOW, [pin("9")], False),
        "the host with a dot at the end": ([one], "api.example.com.", NOW, [pin("9")], False),
        "a second before it ends": ([one], "api.example.com", ends - 1, [pin("9")], False),
        "from its end on": ([one], "api.example.com", ends, [pin("9")], True),
        "long after its end": ([one], "api.example.com", ends + 10**8, [pin("9")], True),
        "an expired set is not replaced by a shorter name": (
            [{**one, "expires": "2026-01-01"}, below],
            "api.example.com",
            NOW,
            [pin("9")],
            True,
        ),
        "a pin in lower case is another pin": ([one], "api.example.com", NOW, [pin("1").lower()], False),
    }
    return {
        "about": "Whether a verified chain (base64 SHA-256 of each key) may serve a host under the policy's pin sets.",
        "cases": [
            {"case": case, "pins": sets, "host": host, "now": now, "chain": chain, "good": good}
            for case, (sets, host, now, chain, good) in cases.items()
        ],
    }
