"""Upstreams that give their key away in as many ways as a generator finds, and what of it leaves the proxy.

``make upstreams`` runs ten thousand and prints the count; the tests run a sample.
"""

from __future__ import annotations

import base64
import json
import random
import socket
import sys
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import quote, unquote

from bonafide_tokens.errors import BonafideError
from service.relay import key_filter
from service.relay.upstream_call import Network

from tests.integration.relay_stand import KEY, RelayStand
from tests.unit.gate.stand import NOW

ALL: Final = 10_000
_RAW: Final = KEY.encode()
_TEXT: Final = 'abcdefghij KLMNOP 0123456789 \\ % & # u0 sk- sk-live- "{}[]:,/+=_-\n'


def _unicode(draw: random.Random) -> str:
    return "".join(f"\\u{ord(c):04{draw.choice('xX')}}" if draw.random() < 0.7 else c for c in KEY)


def _percent(draw: random.Random) -> str:
    return "".join(f"%{ord(c):02{draw.choice('xX')}}" if draw.random() < 0.7 else c for c in KEY)


def _base64(draw: random.Random) -> str:
    before, after = (draw.randbytes(draw.randrange(4)) for _ in range(2))
    encode = draw.choice((base64.b64encode, base64.urlsafe_b64encode))
    return encode(before + _RAW + after).decode()


FORMS: Final[tuple[Callable[[random.Random], str], ...]] = (
    lambda _: KEY,
    lambda _: json.dumps({"authorization": KEY}),
    lambda _: json.dumps(json.dumps({"authorization": f"Bearer {KEY}"})),
    lambda _: KEY.replace("/", "\\/"),
    _unicode,
    _percent,
    lambda _: quote(quote(KEY, safe=""), safe=""),
    _base64,
    lambda draw: json.dumps(_base64(draw)).replace("/", "\\/"),
    lambda draw: quote(_base64(draw), safe=""),
    lambda draw: draw.choice((str.lower, str.upper))(_RAW.hex()),
    lambda draw: KEY[: draw.randrange(len(KEY) * 2 // 3, len(KEY))],
)


def _echo(draw: random.Random) -> str:
    around = ["".join(draw.choices(_TEXT, k=draw.randrange(30))) for _ in range(2)]
    return around[0] + draw.choice(FORMS)(draw) + around[1]


def generated(draw: random.Random) -> list[bytes]:
    """One hostile answer, in the pieces in which it is sent."""
    status = draw.choice((200, 200, 200, 201, 206, 400, 404, 422, 401, 403, 429, 302, 307, 500, 503))
    kind = draw.choice(("application/json", "text/event-stream", "text/plain"))
    head = [f"HTTP/1.1 {status} {draw.choice(('OK', KEY))}", f"Content-Type: {kind}"]
    one_line = _echo(draw).replace("\n", " ")
    names = draw.sample(("Request-Id", "Location", "X-Debug", "Retry-After", "WWW-Authenticate"), 2)
    head += [f"{name}: {draw.choice((one_line, KEY, '5'))}" for name in names]
    body = "".join(_echo(draw) for _ in range(draw.randrange(1, 4))).encode()
    if kind == "text/event-stream":
        body = b"".join(b"data: " + line + b"\n\n" for line in body.split(b"\n"))
    cuts = sorted(draw.randrange(len(body) + 1) for _ in range(draw.randrange(6)))
    parts = [body[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(body)], strict=True) if begin < end]
    framing = draw.choice(("length", "chunks", "close", "broken"))
    if framing == "length":
        head.append(f"Content-Length: {len(body)}")
    elif framing != "close":
        head.append("Transfer-Encoding: chunked")
        parts = [b"%x\r\n%s\r\n" % (len(part), part) for part in parts]
        parts.append(b"0\r\n\r\n" if framing == "chunks" else f"{KEY}\r\n{KEY}".encode())
    return ["\r\n".join([*head, "", ""]).encode("latin-1"), *parts]


def readings(data: bytes) -> Iterator[bytes]:
    """What a reader could make of bytes: as they are, unescaped, decoded, at every alignment."""
    yield data
    text = data.decode("latin-1")
    once = unquote(text, "latin-1")
    yield from (once.encode("latin-1", "replace"), unquote(once, "latin-1").encode("latin-1", "replace"))
    for one in (text, once, text.replace("\\/", "/")):
        unescaped = one
        for _ in range(3):
            unescaped = unescaped.replace("\\\\", "\\").replace('\\"', '"').replace("\\/", "/")
            yield _unescaped(unescaped).encode("latin-1", "replace")
        for run in _runs(one, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"):
            for skip in range(4):
                part = run[skip:].replace("-", "+").replace("_", "/")
                yield base64.b64decode(part[: len(part) // 4 * 4])
        for run in _runs(one, "0123456789abcdefABCDEF"):
            for skip in range(2):
                part = run[skip:]
                yield bytes.fromhex(part[: len(part) // 2 * 2])


def _unescaped(text: str) -> str:
    pieces = text.split("\\u")
    out = [pieces[0]]
    for piece in pieces[1:]:
        try:
            out.append(chr(int(piece[:4], 16)) + piece[4:])
        except ValueError:
            out.append("\\u" + piece)
    return "".join(out)


def _runs(text: str, alphabet: str) -> Iterator[str]:
    run = ""
    for character in text + "\0":
        if character in alphabet:
            run += character
        else:
            if len(run) >= len(KEY):
                yield run
            run = ""


def leaked(data: bytes) -> bool:
    """Whether any reading of what left holds the key, or most of it."""
    most = _RAW[: len(_RAW) * 2 // 3]
    return any(most in reading for reading in readings(data))


class Pipe:
    """A connection to an upstream that says these pieces, one for each read, and then closes."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = list(pieces)

    def sendall(self, data: bytes) -> None:
        """The request: nothing reads it."""

    def settimeout(self, seconds: float) -> None:
        """Nothing here waits."""

    def recv_into(self, buffer: Any) -> int:
        """The next piece, or what of it fits."""
        if not self._pieces:
            return 0
        piece, size = self._pieces[0], len(buffer)
        buffer[: len(piece[:size])] = piece[:size]
        self._pieces[:1] = [piece[size:]] if piece[size:] else []
        return len(piece[:size])

    def close(self) -> None:
        """It is garbage."""


def leaving(pieces: list[bytes], stand: RelayStand, call: Any) -> bytes:
    """All that leaves the proxy for one answer: status, headers and body, or the problem."""

    def connect(_address: str, _port: int, _timeout: float) -> socket.socket:
        return Pipe(pieces)  # type: ignore[return-value]

    stand.relay.network = Network(connect=connect)
    stand.proofs.seen.clear()
    stand.notes.clear()
    out = b""
    try:
        answer = stand.relay.answer(call, now=NOW, seconds=20)
        out = json.dumps(answer.headers).encode() + b"\n"
        for piece in answer.pieces:
            out += piece
    except BonafideError as error:
        out += repr(error).encode() + json.dumps(error.reason.problem.document(instance="x")).encode()
    return out + repr(stand.notes).encode()


def run(number: int, seed: int = 12) -> tuple[int, int]:
    """Generate so many answers: how many had the key, and how many let it out."""
    draw, stand = random.Random(seed), RelayStand(9, answer_headers=["request-id", "location", "x-debug"])
    call = stand.call()
    held, out = 0, 0
    for _ in range(number):
        pieces = generated(draw)
        held += leaked(b"".join(pieces)) or leaked(b"".join(piece.partition(b"\r\n")[2] for piece in pieces))
        out += leaked(leaving(pieces, stand, call))
    return held, out


def main() -> None:
    """Run all and print; exit 1 when a key left, or when the generator is a tame one."""
    began = perf_counter()
    held, out = run(ALL)
    seconds = perf_counter() - began
    print(f"{ALL} hostile answers, {held} with the key in them: the key left {out} times ({seconds:.0f} s)")
    with patch.object(key_filter.FilteredStream, "_scan", lambda _: None):
        _, without = run(ALL // 50)
    print(f"{ALL // 50} of them without the filter: the key left {without} times")
    sys.exit(0 if out == 0 and held > ALL * 2 // 3 and without else 1)


if __name__ == "__main__":
    main()
