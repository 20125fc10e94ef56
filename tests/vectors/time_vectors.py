"""Waits, clocks and the life of tokens."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import Any, Final

from tests.vectors.keys import NOW

_DATE: Final = formatdate(NOW, usegmt=True)


def waits() -> dict[str, Any]:
    """``waits.json``."""
    headers: dict[str, tuple[str | None, int]] = {
        "none": (None, 0),
        "five seconds": ("5", 5),
        "zero": ("0", 0),
        "zeros in front": ("0030", 30),
        "an hour": ("3600", 3600),
        "more than an hour is an hour": ("3601", 3600),
        "a day is an hour": ("86400", 3600),
        "six digits": ("999999", 3600),
        "seven digits are none": ("1000000", 0),
        "a year's worth of digits": ("9" * 400, 0),
        "negative": ("-5", 0),
        "with a sign": ("+5", 0),
        "with a fraction": ("5.5", 0),
        "with an exponent": ("1e3", 0),
        "hexadecimal": ("0x10", 0),
        "empty": ("", 0),
        "a word": ("soon", 0),
        "a date": (_DATE, 0),
        "two of them": ("5, 10", 0),
        "digits of another script": ("\u0665", 0),
        "a line break behind": ("5\n", 0),
    }
    cases = [_wait(f"Retry-After: {case}", header, seconds, 1) for case, (header, seconds) in headers.items()]
    for refusals in (1, 2, 3, 4, 5, 6, 7, 100, 1_000_000):
        cases.append(_wait(f"refusal {refusals} in a row", None, 0, refusals))
        cases.append(_wait(f"refusal {refusals} in a row, told to wait", "30", 30, refusals))
    return {
        "about": "How long to wait after the n-th refusal in a row: Retry-After, and an even draw beyond it.",
        "cases": cases,
    }


def _wait(case: str, header: str | None, seconds: int, refusals: int) -> dict[str, Any]:
    limit = 3600 if refusals > 5 else 20 * 3 ** (refusals - 1)
    return {
        "case": case,
        "retry_after": header,
        "refusals": refusals,
        "least": seconds,
        "most": seconds + limit,
    }


def clock_offsets() -> dict[str, Any]:
    """``clock-offsets.json``."""
    far = 86_400
    cases: dict[str, tuple[str | None, float, float, float | str | None]] = {
        "right": (_DATE, NOW, NOW, 0),
        "an hour behind": (_DATE, NOW - 3600, NOW - 3600, 3600),
        "an hour ahead": (_DATE, NOW + 3600, NOW + 3600, -3600),
        "the middle of the exchange counts": (_DATE, NOW - 104, NOW - 100, 102),
        "less than two seconds is right": (_DATE, NOW - 1.5, NOW - 1.5, 0),
        "less than two seconds ahead is right": (_DATE, NOW + 1.5, NOW + 1.5, 0),
        "two seconds": (_DATE, NOW - 2, NOW - 2, 2),
        "ten seconds for an exchange": (_DATE, NOW - 110, NOW - 100, 105),
        "more than ten seconds for an exchange": (_DATE, NOW - 110.5, NOW - 100, None),
        "an exchange that ran backwards": (_DATE, NOW - 100, NOW - 104, None),
        "a day behind": (_DATE, NOW - far, NOW - far, far),
        "a day ahead": (_DATE, NOW + far, NOW + far, -far),
        "more than a day behind": (_DATE, NOW - far - 1, NOW - far - 1, "too-large"),
        "more than a day ahead": (_DATE, NOW + far + 1, NOW + far + 1, "too-large"),
        "a phone in 1970": (_DATE, 5, 6, "too-large"),
        "a phone in 1970 and a slow exchange": (_DATE, 5, 16, None),
        "no Date": (None, NOW, NOW, None),
        "an empty Date": ("", NOW, NOW, None),
        "Unix seconds": (str(NOW), NOW, NOW, None),
        "ISO 8601": ("2026-11-18T00:00:00Z", NOW, NOW, None),
        "RFC 850, obsolete": ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777, 784_111_777, None),
        "asctime, obsolete": ("Sun Nov  6 08:49:37 1994", 784_111_777, 784_111_777, None),
        "IMF-fixdate": ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_677, 784_111_677, 100),
        "a leap day": ("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_700, 1_709_164_700, 100),
        "a day that is in no calendar": ("Wed, 29 Feb 2023 00:00:00 GMT", 1_677_628_800, 1_677_628_800, None),
        "the 31st of April": ("Fri, 31 Apr 2026 00:00:00 GMT", 1_777_593_600, 1_777_593_600, None),
        "a leap second": ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800, 1_483_228_800, None),
        "hour 24": ("Sun, 06 Nov 1994 24:00:00 GMT", 784_166_400, 784_166_400, None),
        "another zone": (_DATE.replace("GMT", "+0100"), NOW, NOW, None),
        "UTC for GMT": (_DATE.replace("GMT", "UTC"), NOW, NOW, None),
        "a month in capitals": (_DATE.upper(), NOW, NOW, None),
        "a day of one digit": ("Sun, 6 Nov 1994 08:49:37 GMT", 784_111_777, 784_111_777, None),
        "a word behind it": (_DATE + " or so", NOW, NOW, None),
        "a line break behind it": (_DATE + "\n", NOW, NOW, None),
    }
    return {
        "about": "Seconds to add to the local clock, from an answer's Date; null leaves what is known as it is.",
        "cases": [
            {"case": case, "date": date, "sent_at": sent, "received_at": received, "offset": offset}
            for case, (date, sent, received, offset) in cases.items()
        ],
    }


def token_answers() -> dict[str, Any]:
    """``token-answers.json``."""
    cases: dict[str, tuple[Any, tuple[float, float, float] | None]] = {
        "the usual": ({}, (300, 210, 240)),
        "without a next challenge": ({"next_challenge": ...}, (300, 210, 240)),
        "with members of the future": ({"quality": {"a": [1]}}, (300, 210, 240)),
        "a stretched life": ({"expires_in": 3600}, (3600, 2520, 2880)),
        "a day": ({"expires_in": 86_400}, (86_400, 60_480, 69_120)),
        "more than a day is a day": ({"expires_in": 86_401}, (86_400, 60_480, 69_120)),
        "a life without end is a day": ({"expires_in": 2**53 - 1}, (86_400, 60_480, 69_120)),
        "thirty seconds": ({"expires_in": 30}, (30, 21, 24)),
        "a second is thirty": ({"expires_in": 1}, (30, 21, 24)),
        "zero is thirty": ({"expires_in": 0}, (30, 21, 24)),
        "negative is thirty": ({"expires_in": -300}, (30, 21, 24)),
        "renew not before": ({"renew_after": 250}, (300, 250, 280)),
        "renew_after below the usual point": ({"renew_after": 100}, (300, 210, 240)),
        "renew_after near the end": ({"renew_after": 290}, (300, 290, 295)),
        "renew_after where requests would wait": ({"renew_after": 299}, (300, 295, 295)),
        "renew_after beyond the end": ({"renew_after": 100_000}, (300, 295, 295)),
        "renew_after zero": ({"renew_after": 0}, (300, 210, 240)),
        "renew_after negative": ({"renew_after": -1}, (300, 210, 240)),
        "expires_in with a fraction": ({"expires_in": 299.5}, None),
        "expires_in is a text": ({"expires_in": "300"}, None),
        "expires_in is true": ({"expires_in": True}, None),
        "expires_in is null": ({"expires_in": None}, None),
        "expires_in is a list": ({"expires_in": [300]}, None),
        "no expires_in": ({"expires_in": ...}, None),
        "renew_after with a fraction": ({"renew_after": 250.5}, None),
        "renew_after is a text": ({"renew_after": "250"}, None),
        "renew_after is true": ({"renew_after": True}, None),
        "renew_after is null": ({"renew_after": None}, None),
        "no token": ({"token": ...}, None),
        "an empty token": ({"token": ""}, None),
        "token is an object": ({"token": {"jws": "a.b.c"}}, None),
        "token is null": ({"token": None}, None),
        "next_challenge is a number": ({"next_challenge": 7}, None),
        "next_challenge is null": ({"next_challenge": None}, None),
    }
    texts = {
        "a list": "[]",
        "a text": '"a.b.c"',
        "no JSON": "<html>Please log in</html>",
        "nothing": "",
        "null": "null",
    }
    return {
        "about": "Success of an attestation or renewal: seconds of use, and when the renewal is due; null is unusable.",
        "cases": [
            *(_token_answer(case, _body(changes), usable) for case, (changes, usable) in cases.items()),
            *(_token_answer(case, body, None) for case, body in texts.items()),
        ],
    }


def _body(changes: dict[str, Any]) -> str:
    members = {"token": "a.b.c", "expires_in": 300, "key_id": "A" * 43, "next_challenge": "bmV4dA"} | changes
    return json.dumps({name: value for name, value in members.items() if value is not ...}, separators=(",", ":"))


def _token_answer(case: str, body: str, usable: tuple[float, float, float] | None) -> dict[str, Any]:
    names = ("seconds", "renew_from", "renew_until")
    return {"case": case, "body": body, "usable": None if usable is None else dict(zip(names, usable, strict=True))}
