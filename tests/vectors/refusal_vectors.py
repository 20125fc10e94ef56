"""Refusals: what a client does about an answer that is not the one it hoped for."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

from tests.vectors.answers import (
    FIRST,
    FLIGHT_CALLS,
    OFFLINE,
    PROOF_CALLS,
    REFUSED,
    UNAVAILABLE,
    advice,
    answer,
    challenge,
    problem,
)
from tests.vectors.keys import NOW
from tests.vectors.refused_calls import of_flights, of_guarded, of_secrets, strange


def refusals() -> dict[str, Any]:
    """``refusals.json``."""
    return {
        "about": "What a client does about a refusal, how long it waits, and the error that the app gets in the end.",
        "cases": [*_later(), *_unauthorized(), *of_flights(), *of_secrets(), *of_guarded(), *strange()],
        "advice": advice(),
    }


def _later() -> list[dict[str, Any]]:
    try_later, quota = problem("try-later", 503, "later"), problem("quota", 429, "later")
    seven, told = {"retry-after": "7"}, [7, 27]
    cases = []
    for call in FLIGHT_CALLS:
        again = "same-bytes-after-wait"
        cases += [
            answer("503", call, 503, again, UNAVAILABLE, headers=seven, body=try_later, wait=told),
            answer("429", call, 429, again, UNAVAILABLE, headers=seven, body=quota, wait=told),
            answer("no answer", call, None, again, OFFLINE, wait=FIRST),
            answer("500 without a body", call, 500, again, UNAVAILABLE, wait=FIRST),
            answer("502 with HTML", call, 502, again, UNAVAILABLE, body="<html>Bad gateway</html>", wait=FIRST),
            answer("504", call, 504, again, UNAVAILABLE, body='{"message":"Endpoint request timed out"}', wait=FIRST),
        ]
    for call, method in PROOF_CALLS:
        again, get = "sign-and-resend", method == "GET" or call != "guarded"
        unknown: tuple[Any, ...] = ("none", ("unknown-outcome", "service", "try-later"), None)
        lost: tuple[Any, ...] = ("none", ("unknown-outcome", "network", "try-later"), None)
        fault, silence = (again, UNAVAILABLE, FIRST) if get else unknown, (again, OFFLINE, FIRST) if get else lost
        bare = '{"message":"Service Unavailable"}'
        cases += [
            answer("503", call, 503, again, UNAVAILABLE, method=method, headers=seven, body=try_later, wait=told),
            answer("429", call, 429, again, UNAVAILABLE, method=method, headers=seven, body=quota, wait=told),
            answer(
                "429 of an HTTP API",
                call,
                429,
                again,
                UNAVAILABLE,
                method=method,
                body='{"message":"Too Many Requests"}',
                wait=FIRST,
            ),
            answer("503 of an HTTP API", call, 503, fault[0], fault[1], method=method, body=bare, wait=fault[2]),
            answer("500", call, 500, fault[0], fault[1], method=method, body="oops", wait=fault[2]),
            answer("no answer", call, None, silence[0], silence[1], method=method, wait=silence[2]),
        ]
    again = "same-bytes-after-wait"
    cases += [
        answer(
            "the third refusal in a row",
            "challenge",
            503,
            again,
            UNAVAILABLE,
            headers=seven,
            body=try_later,
            wait=[7, 187],
            row=3,
        ),
        answer(
            "the tenth refusal in a row",
            "renewal",
            503,
            again,
            UNAVAILABLE,
            headers=seven,
            body=try_later,
            wait=[7, 3607],
            row=10,
        ),
        answer(
            "told to wait for a week",
            "renewal",
            503,
            again,
            UNAVAILABLE,
            headers={"retry-after": "604800"},
            body=try_later,
            wait=[3600, 3620],
        ),
        answer(
            "told to wait until a date",
            "renewal",
            503,
            again,
            UNAVAILABLE,
            headers={"retry-after": "Fri, 27 Nov 2026 00:00:00 GMT"},
            body=try_later,
            wait=FIRST,
        ),
        answer("the fifth silence in a row", "challenge", None, again, OFFLINE, wait=[0, 1620], row=5),
        answer(
            "a later of the future",
            "attestation",
            425,
            again,
            UNAVAILABLE,
            headers=seven,
            body=problem("too-early", 425, "later"),
            wait=told,
        ),
    ]
    return cases


def _unauthorized() -> list[dict[str, Any]]:
    times: dict[str, Any] = {"sent_at": NOW, "received_at": NOW}
    date = formatdate(NOW, usegmt=True)
    actions = {
        "renew": ("use_fresh_attestation", "after-challenge", "renew-and-resend"),
        "reattest": ("invalid_client_attestation", "after-challenge", "renew-and-resend"),
        "attest": ("invalid_client_attestation", "after-challenge", "attest-and-resend"),
        "sign": ("invalid_dpop_proof", "now", "sign-and-resend"),
    }
    cases = []
    for call, method in PROOF_CALLS:
        for action, (error, retry, does) in actions.items():
            body = problem("unauthorized" if call in ("secrets", "signals") else error, 401, retry, action=action)
            cases.append(
                answer(
                    f"401 {action}",
                    call,
                    401,
                    does,
                    REFUSED,
                    method=method,
                    headers={"date": date},
                    body=body,
                    **times,
                )
            )
        cases += [
            answer(
                "401 retry",
                call,
                401,
                "sign-and-resend",
                UNAVAILABLE,
                method=method,
                wait=FIRST,
                body=problem("temporarily_unavailable", 401, "later", action="retry"),
                **times,
            ),
            answer("401 without an action", call, 401, "renew-and-resend", REFUSED, method=method, **times),
            answer(
                "401 with an action of the future",
                call,
                401,
                "renew-and-resend",
                REFUSED,
                method=method,
                body=problem("unauthorized", 401, "now", action="dance"),
                **times,
            ),
        ]
    nonce = problem("use_dpop_nonce", 401, "now", action="sign")
    hour, days = formatdate(NOW + 3600, usegmt=True), formatdate(NOW + 3 * 86_400, usegmt=True)
    sign = problem("invalid_dpop_proof", 401, "now", action="sign")
    cases += [
        answer(
            "the action is in the header only",
            "guarded",
            401,
            "renew-and-resend",
            REFUSED,
            method="GET",
            headers=challenge("use_fresh_attestation", "renew"),
            body="<html></html>",
            **times,
        ),
        answer(
            "attest is in the header only",
            "guarded",
            401,
            "attest-and-resend",
            REFUSED,
            method="GET",
            headers=challenge("invalid_client_attestation", "attest"),
            **times,
        ),
        answer(
            "the body counts and not the header",
            "signals",
            401,
            "renew-and-resend",
            REFUSED,
            headers=challenge("invalid_client_attestation", "attest"),
            body=problem("unauthorized", 401, "after-challenge", action="renew"),
            **times,
        ),
        answer(
            "a nonce is asked for",
            "guarded",
            401,
            "sign-and-resend",
            REFUSED,
            method="GET",
            headers={"dpop-nonce": "bm9uY2U", "date": hour},
            body=nonce,
            **times,
        ),
        answer(
            "a nonce is asked for, in the header only",
            "guarded",
            401,
            "sign-and-resend",
            REFUSED,
            method="GET",
            headers={"dpop-nonce": "bm9uY2U", "date": hour, **challenge("use_dpop_nonce", "sign")},
            **times,
        ),
        answer(
            "a nonce is asked for and none is given",
            "guarded",
            401,
            "sign-and-resend",
            REFUSED,
            method="GET",
            headers={"date": date},
            body=nonce,
            **times,
        ),
        answer(
            "a nonce is asked for, and the clock is days behind",
            "guarded",
            401,
            "sign-and-resend",
            REFUSED,
            method="GET",
            headers={"dpop-nonce": "bm9uY2U", "date": days},
            body=nonce,
            **times,
        ),
        answer(
            "a nonce is asked for, none is given, and the clock is days behind",
            "guarded",
            401,
            "none",
            ("clock", "user", "set-clock"),
            method="GET",
            headers={"date": days},
            body=nonce,
            **times,
        ),
        answer(
            "a body with a type that is a number, and the action in the header",
            "guarded",
            401,
            "attest-and-resend",
            REFUSED,
            method="GET",
            headers=challenge("invalid_client_attestation", "attest"),
            body='{"type":7,"action":"renew"}',
            **times,
        ),
        answer(
            "the clock is an hour behind",
            "guarded",
            401,
            "sign-and-resend",
            REFUSED,
            method="GET",
            headers={"date": hour},
            body=sign,
            **times,
        ),
        answer(
            "the clock is three days behind",
            "guarded",
            401,
            "none",
            ("clock", "user", "set-clock"),
            method="GET",
            headers={"date": days},
            body=sign,
            **times,
        ),
        answer(
            "a Date that cannot be read",
            "guarded",
            401,
            "sign-and-resend",
            REFUSED,
            method="GET",
            headers={"date": "yesterday"},
            body=sign,
            **times,
        ),
        answer(
            "another scheme of the backend's",
            "guarded",
            401,
            "renew-and-resend",
            REFUSED,
            method="GET",
            headers={"www-authenticate": 'Bearer error="invalid_token"'},
            **times,
        ),
    ]
    return cases
