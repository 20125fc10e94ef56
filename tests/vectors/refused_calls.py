"""Refusals that end a flight or a call, and answers that are none of ours."""

from __future__ import annotations

import json
from typing import Any

from tests.vectors.answers import (
    FIRST,
    FLIGHT_CALLS,
    HELD,
    MISCONFIGURED,
    REFUSED,
    UNAVAILABLE,
    answer,
    challenge,
    problem,
)


def of_flights() -> list[dict[str, Any]]:
    """What a flight meets."""
    coded: dict[str, Any] = {"support_code": "7Q2M0X4K", "advice": []}
    rejected = ("rejected", "device", "contact-support")
    blocked = ("blocked", "device", "contact-support")
    unusable = problem("challenge-unusable", 409, "after-challenge")
    enrolled = problem("key-enrolled", 409, action="renew")
    region = problem("wrong-region", 409, "now", home="eu")
    again = "same-bytes-after-wait"
    cases = [
        answer("409 challenge-unusable", call, 409, "new-challenge", UNAVAILABLE, body=unusable)
        for call in ("attestation", "renewal")
    ]
    for call in ("attestation", "renewal", "secrets", "signals"):
        cases += [
            answer(
                "403 evidence-rejected",
                call,
                403,
                "none",
                rejected,
                body=problem("evidence-rejected", 403, **coded),
                wait=HELD,
            ),
            answer(
                "403 evidence-rejected, update the app",
                call,
                403,
                "none",
                ("rejected", "device", "update-app"),
                body=problem("evidence-rejected", 403, **{**coded, "advice": ["update-app"]}),
                wait=HELD,
            ),
            answer("403 blocked", call, 403, "none", blocked, body=problem("blocked", 403, **coded), wait=HELD),
            answer("409 wrong-region", call, 409, "home", ("wrong-region", "service", "try-later"), body=region),
        ]
    for call in FLIGHT_CALLS:
        cases += [
            answer("400 malformed-request", call, 400, "none", MISCONFIGURED, body=problem("malformed-request", 400)),
            answer("404 unknown-app", call, 404, "none", MISCONFIGURED, body=problem("unknown-app", 404)),
            answer("404 no-such-route", call, 404, "none", MISCONFIGURED, body=problem("no-such-route", 404)),
            answer("413", call, 413, "none", MISCONFIGURED, body=problem("too-large", 413)),
            answer("403 refused, by a firewall", call, 403, again, REFUSED, body=problem("refused", 403), wait=FIRST),
            answer("403 of an unknown firewall", call, 403, again, REFUSED, body="Request blocked.", wait=FIRST),
            answer(
                "503 with an action of its own",
                call,
                503,
                again,
                UNAVAILABLE,
                body=problem("try-later", 503, "later", action="retry"),
                wait=FIRST,
            ),
        ]
    cases += [
        answer("409 key-enrolled", "attestation", 409, "renew", UNAVAILABLE, body=enrolled),
        answer(
            "400 malformed-evidence",
            "attestation",
            400,
            "none",
            MISCONFIGURED,
            body=problem("malformed-evidence", 400),
        ),
        answer("404 unknown-key", "renewal", 404, "attest", REFUSED, body=problem("unknown-key", 404)),
        answer("404 unknown-key", "secrets", 404, "attest-and-resend", REFUSED, body=problem("unknown-key", 404)),
        answer("404 unknown-key", "signals", 404, "attest-and-resend", REFUSED, body=problem("unknown-key", 404)),
    ]
    return cases


def of_secrets() -> list[dict[str, Any]]:
    """What a request for secrets or a report of signals meets."""
    secret = ("secret-refused", "service", "contact-support")
    return [
        answer(
            "403 secret-refused",
            "secrets",
            403,
            "none",
            secret,
            body=problem("secret-refused", 403, support_code="7Q2M0X4K", advice=[]),
        ),
        answer(
            "409 sealing-key-missing",
            "secrets",
            409,
            "renew-and-resend",
            secret,
            body=problem("sealing-key-missing", 409, action="renew"),
        ),
        answer(
            "409 sealing-key-unknown",
            "secrets",
            409,
            "renew-and-resend",
            secret,
            body=problem("sealing-key-unknown", 409, action="renew"),
        ),
        answer("413", "secrets", 413, "none", MISCONFIGURED, body=problem("too-large", 413)),
        answer("413", "signals", 413, "none", MISCONFIGURED, body=problem("too-large", 413)),
    ]


def of_guarded() -> list[dict[str, Any]]:
    """What a backend answers, and what it must not be able to do."""
    bare = '{"message":"Forbidden"}'
    cases = []
    for method in ("GET", "POST"):
        cases += [
            answer("a bare 403 of an HTTP API", "guarded", 403, "renew-and-resend", REFUSED, method=method, body=bare),
            answer("a 403 without a body", "guarded", 403, "renew-and-resend", REFUSED, method=method),
            answer("a 403 with HTML", "guarded", 403, "renew-and-resend", REFUSED, method=method, body="<p>No</p>"),
            answer(
                "a 403 with JSON of the backend's own",
                "guarded",
                403,
                "none",
                None,
                method=method,
                body='{"error":"not-your-order","message":"Forbidden"}',
            ),
            answer(
                "a 403 whose type is a number is the backend's own",
                "guarded",
                403,
                "none",
                None,
                method=method,
                body='{"type":7}',
            ),
            answer(
                "a 403 with a challenge in its header is a bare one",
                "guarded",
                403,
                "renew-and-resend",
                REFUSED,
                method=method,
                headers=challenge("invalid_client_attestation", "attest"),
            ),
            answer(
                "a 403 with a problem of the backend's",
                "guarded",
                403,
                "none",
                None,
                method=method,
                body={"type": "https://shop.example/problems/not-yours", "title": "Not your order", "status": 403},
            ),
            answer(
                "a 403 of a firewall",
                "guarded",
                403,
                "sign-and-resend",
                REFUSED,
                method=method,
                body=problem("refused", 403),
                wait=FIRST,
            ),
            answer(
                "a 403 that says retry",
                "guarded",
                403,
                "sign-and-resend",
                UNAVAILABLE,
                method=method,
                body=problem("temporarily_unavailable", 403, "later", action="retry"),
                wait=FIRST,
            ),
            answer("a 400 of the backend's", "guarded", 400, "none", None, method=method, body='{"error":"amount"}'),
            answer("a 404 of the backend's", "guarded", 404, "none", None, method=method),
            answer("a 409 of the backend's", "guarded", 409, "none", None, method=method, body='{"error":"twice"}'),
            answer(
                "a redirect is not followed",
                "guarded",
                302,
                "none",
                None,
                method=method,
                headers={"location": "https://evil.example/"},
            ),
            answer(
                "a backend that plays verifier: unknown-key",
                "guarded",
                404,
                "none",
                None,
                method=method,
                body=problem("unknown-key", 404),
            ),
            answer(
                "a backend that plays verifier: wrong-region",
                "guarded",
                409,
                "none",
                None,
                method=method,
                body=problem("wrong-region", 409, "now", home="evil"),
            ),
            answer(
                "a backend that plays verifier: blocked",
                "guarded",
                403,
                "none",
                None,
                method=method,
                body=problem("blocked", 403, support_code="X", advice=["update-app"]),
            ),
        ]
    cases.append(
        answer(
            "a 503 with a problem of the backend's own",
            "guarded",
            503,
            "none",
            ("unknown-outcome", "service", "try-later"),
            body={"type": "https://shop.example/problems/busy"},
        ),
    )
    return cases


def strange() -> list[dict[str, Any]]:
    """Answers of the future, of a hotel, and of a server that lies."""
    again = "same-bytes-after-wait"
    rejected = problem("evidence-rejected", 403, support_code="7Q2M0X4K", advice=["update-app"])
    region = ("wrong-region", "service", "try-later")
    return [
        answer(
            "members of the future",
            "attestation",
            409,
            "renew",
            UNAVAILABLE,
            body=problem("key-enrolled", 409, action="renew", hint={"a": [1]}, since=None),
        ),
        answer(
            "a redirect",
            "renewal",
            302,
            again,
            UNAVAILABLE,
            headers={"location": "https://evil.example/"},
            wait=FIRST,
        ),
        answer(
            "a permanent redirect",
            "challenge",
            308,
            again,
            UNAVAILABLE,
            headers={"location": "https://evil.example/"},
            wait=FIRST,
        ),
        answer("type is a number", "renewal", 403, again, UNAVAILABLE, body={**rejected, "type": 7}, wait=FIRST),
        answer("retry is a number", "renewal", 403, again, UNAVAILABLE, body={**rejected, "retry": 0}, wait=FIRST),
        answer(
            "action is a list",
            "renewal",
            409,
            again,
            UNAVAILABLE,
            body=problem("key-enrolled", 409, action=["renew"]),
            wait=FIRST,
        ),
        answer(
            "advice is a text",
            "renewal",
            403,
            again,
            UNAVAILABLE,
            body={**rejected, "advice": "update-app"},
            wait=FIRST,
        ),
        answer(
            "advice is a list of numbers",
            "renewal",
            403,
            again,
            UNAVAILABLE,
            body={**rejected, "advice": [1]},
            wait=FIRST,
        ),
        answer(
            "support_code is null",
            "renewal",
            403,
            again,
            UNAVAILABLE,
            body={**rejected, "support_code": None},
            wait=FIRST,
        ),
        answer(
            "home is a number",
            "renewal",
            409,
            again,
            UNAVAILABLE,
            body=problem("wrong-region", 409, "now", home=7),
            wait=FIRST,
        ),
        answer("wrong-region without a home", "renewal", 409, "home", region, body=problem("wrong-region", 409, "now")),
        answer(
            "wrong-region with a URL for a name",
            "renewal",
            409,
            "home",
            region,
            body=problem("wrong-region", 409, "now", home="https://evil.example"),
        ),
        answer(
            "a body of more than 64 KiB",
            "renewal",
            403,
            again,
            UNAVAILABLE,
            body=json.dumps(rejected) + " " * 65_536,
            wait=FIRST,
        ),
        answer(
            "a refusal of the future",
            "renewal",
            403,
            "none",
            REFUSED,
            body=problem("attestation-paused", 403, support_code="7Q2M0X4K", advice=[]),
        ),
        answer("a fault of the future", "renewal", 422, "none", MISCONFIGURED, body=problem("strange", 422)),
        answer(
            "a conflict of the future",
            "renewal",
            409,
            "new-challenge",
            UNAVAILABLE,
            body=problem("challenge-worn-out", 409, "after-challenge"),
        ),
        answer(
            "a retry of the future", "renewal", 409, "none", MISCONFIGURED, body=problem("odd", 409, "at-full-moon")
        ),
        answer("no body", "attestation", 404, "none", MISCONFIGURED),
        answer(
            "the slug is the last part only",
            "renewal",
            404,
            "attest",
            REFUSED,
            body=problem("unknown-key", 404, type="https://docs.example/blocked/unknown-key"),
        ),
        answer(
            "the slug in capitals is another", "renewal", 404, "none", MISCONFIGURED, body=problem("Unknown-Key", 404)
        ),
        answer("the status of the answer counts", "renewal", 403, "none", REFUSED, body=problem("unknown-key", 404)),
        answer("a list for a problem", "attestation", 409, "none", MISCONFIGURED, body="[]"),
        answer(
            "404 no-client-policy", "policy", 404, "none", None, method="GET", body=problem("no-client-policy", 404)
        ),
        answer(
            "503",
            "policy",
            503,
            "none",
            None,
            method="GET",
            headers={"retry-after": "7"},
            body=problem("try-later", 503, "later"),
            wait=[7, 27],
        ),
        answer("no answer", "policy", None, "none", None, method="GET", wait=FIRST),
    ]
