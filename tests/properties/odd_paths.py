"""Paths by seed: hostile ones that shall end at a guarded route without showing it, and ordinary ones."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

GUARDED: Final = ("/admin/users", "/admin", "/payments/1", "/v1/accounts/7/close", "/orders/1001")
_OPEN: Final = ("/", "/open", "/open/x", "/v1", "/docs/intro", "/x")
_WORDS: Final = (
    "a",
    "x",
    "7",
    "open",
    "docs",
    "v1",
    "index.html",
    "café",
    "日本",
    "$metadata",
    "1001",
    "Ana",
    "~b",
    "a b",
)
_ENDS: Final = (
    *("?x", "#x", ";x", ";x=1/y", "%23", "%3F", "%3f/../x", "%00", "%0a", "\t", " ", "%20", "/", "//", "/.", "/x/.."),
    *("/%2e", "%2f", "\\", "%5c", ";/", "/;x", "%", "%zz", "%c0%af", "\u200b", "%2523", "?"),
)
_STARTS: Final = (
    *("//x", "//", "/.", "/./", "/x/..", "/open/..", "/open/%2e%2e", "/open/..;", "/open/.%2e/", "/\\x", "/x;/.."),
    *("/open/..%2f", "/open/..%5c", "/%2e", "//x/..//", "/open/%252e%252e", "/;x", "///", "/open/\t..", "/open/．．"),
    *("/open/‥", "/x/y/../..", "//user@x:80", "/open/.\n./", "/x//..//.."),
)
_SLASHES: Final = (
    *("//", "/./", "/x/../", "\\", "%2f", "%2F", "/;x/", ";x/", "/%2e/", "/x/%2e%2e/", "/x/..;/", "/\t", "%5c"),
    *("/.//", "%252f", "／", "/ /", "\n/"),
)


def hostile(random: Random) -> str:
    """A guarded path behind one to three tricks."""
    path = random.choice(GUARDED)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3))):
        path = random.choice(_TRICKS)(random, path)
    return path if path.startswith("/") else "/" + path  # as every event has it


def ordinary(random: Random) -> str:
    """A path as apps call it: guarded or open, with names in any script and their usual escapes."""
    path = random.choice(GUARDED + _OPEN).rstrip("/")
    for _ in range(random.randrange(3)):
        word = random.choice(_WORDS)
        path += "/" + ("".join(_escaped(byte) for byte in word.encode()) if random.random() < 0.3 else word)
    return path or "/"


def _escaped(byte: int) -> str:
    return chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else f"%{byte:02X}"


def _begin(random: Random, path: str) -> str:
    return random.choice(_STARTS) + path


def _end(random: Random, path: str) -> str:
    return path + random.choice(_ENDS)


def _slash(random: Random, path: str) -> str:
    places = [place for place, character in enumerate(path) if character == "/"]
    if not places:
        return path
    place = random.choice(places)
    return path[:place] + random.choice(_SLASHES) + path[place + 1 :]


def _escape(random: Random, path: str) -> str:
    place = random.randrange(len(path))
    code = f"%{ord(path[place]):02x}" if path[place].isascii() else path[place]
    return path[:place] + (code.upper() if random.random() < 0.5 else code) + path[place + 1 :]


def _escape_more(random: Random, path: str) -> str:
    return "".join(_escape(random, character) if random.random() < 0.3 else character for character in path)


def _insert(random: Random, path: str) -> str:
    place = random.randrange(len(path))
    return path[:place] + random.choice("\t\n\r;\\/.?#%\u00ad \x00\x7f") + path[place:]


_TRICKS: Final[tuple[Callable[[Random, str], str], ...]] = (
    _begin, _begin, _end, _end, _slash, _slash, _escape, _escape_more, _insert,
)  # fmt: skip
