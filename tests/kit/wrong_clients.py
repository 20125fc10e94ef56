"""Reference clients that are wrong in one thing each, and the scenario and rule by which each is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from unittest.mock import patch

from devkit.client_core import app_errors
from devkit.client_core.answers import Does, Step
from devkit.client_core.token_life import TokenLife
from devkit.kit.reference.device import KeyStore
from devkit.kit.reference.flights import Flights
from devkit.kit.reference.policies import Policies
from devkit.kit.reference.storage import Record
from devkit.kit.rules import Rule
from tests.kit.wrong_ways import (
    AT,
    FirstNonce,
    NoNonce,
    Patch,
    any_clock,
    any_root_set,
    at_once,
    believes_304,
    carries,
    challenges_of_any_type,
    constants,
    drops_what_is_withdrawn,
    early,
    ever_again,
    fixed,
    follow,
    forgets_pending,
    instead,
    known_members_only,
    life,
    loads_no_pending,
    looks_once,
    no_single_flight,
    nonces,
    opens_other_names,
    other_bytes_elsewhere,
    remembers_holds,
    reports_each_time,
    sends_without_proof,
    shows,
    signs_capitals_away,
    steps,
    take_any,
    take_any_secret,
    take_anything,
    take_known_members,
    take_older,
    takes,
    waits,
    without_jitter,
)


@dataclass(frozen=True)
class WrongClient:
    """``patches`` make it; in each scenario of ``found`` the rule must be among those that are named."""

    does: str
    patches: Callable[[], Sequence[Patch]]
    found: Mapping[str, Rule]


_PLAIN: Final = app_errors.AppError(app_errors.Code.REJECTED, app_errors.Fault.DEVICE, app_errors.Action.NONE)

WRONG: Final[Mapping[str, WrongClient]] = {
    "renews-early": WrongClient("renews after thirty seconds", life(early), {"ordinary-day": Rule.RENEWS_IN_TIME}),
    "assumes-300-seconds": WrongClient(
        "takes every token to live 300 seconds",
        life(fixed),
        {"stretched-token": Rule.RENEWS_IN_TIME, "short-token": Rule.TOKEN_IN_TIME},
    ),
    "ignores-renew-after": WrongClient("ignores renew_after", life(at_once), {"renew-after": Rule.RENEWS_IN_TIME}),
    "keeps-challenges": WrongClient(
        "uses next_challenge at any age",
        constants(CHALLENGE_LIVES=1e9),
        {"long-pause": Rule.CHALLENGE_FRESH, "stretched-token": Rule.CHALLENGE_FRESH},
    ),
    "no-single-flight": WrongClient(
        "lets each caller enrol",
        no_single_flight,
        {"twenty-callers": Rule.ONE_FLIGHT},
    ),
    "signs-no-body": WrongClient(
        "makes proofs without content-digest",
        lambda: [patch(f"{AT}.client.content_digest", lambda _body: None)],
        {"body-signed": Rule.BODY_SIGNED, "signal": Rule.BODY_SIGNED},
    ),
    "signs-small-letters": WrongClient(
        "lowers the case of the URL that it signs", signs_capitals_away, {"odd-paths": Rule.PROOF_HOLDS}
    ),
    "reuses-jti": WrongClient(
        "makes every proof with the same jti",
        lambda: [patch(f"{AT}.client.secrets.token_bytes", bytes)],
        {"ordinary-day": Rule.PROOF_ONCE},
    ),
    "keeps-nothing": WrongClient(
        "saves no record",
        lambda: [patch.object(Record, "save", lambda *_: None)],
        {"restart": Rule.STATE_KEPT, "policy-rolled-back-after-a-start": Rule.STATE_KEPT},
    ),
    "waits-for-renewals": WrongClient(
        "waits from the renewal point on",
        lambda: [patch.object(TokenLife, "requests_wait_from", property(lambda self: self.renew_from))],
        {"renewal-beside": Rule.RENEWS_BESIDE},
    ),
    "no-new-challenge": WrongClient(
        "gives up where a challenge cannot be used",
        instead(Does.NEW_CHALLENGE, Does.NONE),
        {"expired-challenge": Rule.ANSWERED, "challenge-spent": Rule.ANSWERED},
    ),
    "ever-again": WrongClient(
        "does what answers ask for as often as they ask",
        ever_again,
        {
            "challenges-never-good": Rule.BOUNDED_LOOP,
            "reattest-for-ever": Rule.BOUNDED_LOOP,
            "bare-forbidden-for-ever": Rule.BOUNDED_LOOP,
            "proof-not-taken": Rule.BOUNDED_LOOP,
            "regions-in-a-circle": Rule.BOUNDED_LOOP,
        },
    ),
    "forgets-pending": WrongClient(
        "makes a new enrolment where an answer is lost",
        forgets_pending,
        {"enrolment-lost": Rule.SAME_BYTES, "enrolment-dropped": Rule.SAME_BYTES},
    ),
    "loads-no-pending": WrongClient(
        "forgets a pending enrolment at a start", loads_no_pending, {"restart-while-pending": Rule.SAME_BYTES}
    ),
    "new-renewal": WrongClient(
        "makes a new renewal where an answer is lost",
        lambda: [patch.object(Flights, "_was_resent", lambda *_: True)],
        {"renewal-lost": Rule.SAME_BYTES},
    ),
    "replaces-enrolled-keys": WrongClient(
        "enrols a new key where the first is enrolled",
        instead(Does.RENEW, Does.ATTEST),
        {"key-enrolled": Rule.NO_NEEDLESS_ENROLMENT},
    ),
    "enrols-for-reattest": WrongClient(
        "enrols where a renewal is asked for",
        instead(Does.RENEW_AND_RESEND, Does.ATTEST_AND_RESEND),
        {"reattest-once": Rule.NO_NEEDLESS_ENROLMENT},
    ),
    "unbounded": WrongClient(
        "has no bounds of its own",
        lambda: [
            *constants(ATTESTATIONS_PER_HOUR=1e9, ATTESTATIONS_PER_DAY=1e9, PER_MINUTE=1e9, PER_HOUR=1e9)(),
            *waits(0.0, 0.5)(),
        ],
        {
            "attest-for-ever": Rule.BOUNDED,
            "keys-never-known": Rule.BOUNDED,
            "storm": Rule.BOUNDED,
            "storm-of-silence": Rule.BOUNDED,
        },
    ),
    "never-enrols-again": WrongClient(
        "gives up where its key is not known", instead(Does.ATTEST, Does.NONE), {"unknown-key": Rule.ENROLS_AGAIN}
    ),
    "believes-in-its-key": WrongClient(
        "does not look whether the key is there",
        lambda: [patch.object(KeyStore, "has_attested_key", lambda _: True)],
        {"key-lost": Rule.ENROLS_AGAIN},
    ),
    "reports-each-time": WrongClient("reports each failure", reports_each_time, {"cannot-attest": Rule.BEACON}),
    "sends-without-proof": WrongClient(
        "sends without a proof where the key fails", sends_without_proof, {"key-fails-later": Rule.PROTECTED}
    ),
    "ignores-advice": WrongClient(
        "shows no action of advice",
        lambda: [patch.object(app_errors, "rejected", lambda _advice, code: _PLAIN._replace(support_code=code))],
        {"rejected-with-advice": Rule.ERROR_SHOWN, "rejected-with-unknown-advice": Rule.ERROR_SHOWN},
    ),
    "no-hold": WrongClient(
        "tries again at once where it was refused",
        constants(REFUSAL_HOLDS=1e9),
        {"rejected-with-advice": Rule.HOLDS, "blocked": Rule.HOLDS},
    ),
    "holds-for-ever": WrongClient(
        "keeps a hold over a start", remembers_holds, {"rejected-until-a-start": Rule.ANSWERED}
    ),
    "insists": WrongClient(
        "asks again where it is not registered",
        instead(Does.NONE, Does.NEW_CHALLENGE),
        {"unknown-app": Rule.BOUNDED_LOOP},
    ),
    "gives-up-for-403": WrongClient(
        "does not renew for a bare 403", instead(Does.RENEW_AND_RESEND, Does.NONE), {"bare-forbidden": Rule.ANSWERED}
    ),
    "renews-for-any-403": WrongClient(
        "renews for a 403 of the backend",
        steps(
            lambda _call, refusal, step: (
                Step(Does.RENEW_AND_RESEND, None, app_errors.REFUSED) if refusal.status == 403 else step
            )
        ),
        {"backend-refuses": Rule.BOUNDED_LOOP},
    ),
    "sends-posts-again": WrongClient(
        "sends a POST again whose answer was lost",
        steps(
            lambda _call, _refusal, step: (
                Step(Does.SIGN_AND_RESEND, (0, 1), app_errors.OFFLINE)
                if step.error is not None and step.error.code is app_errors.Code.UNKNOWN_OUTCOME
                else step
            )
        ),
        {"post-without-answer": Rule.NOT_TWICE},
    ),
    "six-sends": WrongClient(
        "sends up to six times",
        lambda: [patch(f"{AT}.client.MOST_SENDS", 6)],
        {"get-without-answer": Rule.THREE_SENDS},
    ),
    "no-nonce": WrongClient("keeps no nonce", nonces(NoNonce), {"nonce-asked": Rule.NONCE_KEPT}),
    "first-nonce": WrongClient("keeps the first nonce", nonces(FirstNonce), {"nonce-changes": Rule.NONCE_KEPT}),
    "one-origin": WrongClient(
        "keeps one nonce for all origins",
        lambda: [patch(f"{AT}.client.origin_of", lambda _url: "")],
        {"nonces-of-two-origins": Rule.NONCE_OF_ORIGIN, "another-host-asked": Rule.TOKEN_STAYS},
    ),
    "follows-redirects": WrongClient("follows redirects", carries(follow), {"redirect": Rule.TOKEN_STAYS}),
    "takes-any-answer": WrongClient(
        "takes answers that are cut off or endless",
        carries(take_any),
        {"truncated-answers": Rule.UNUSABLE, "answer-of-10-mb": Rule.UNUSABLE},
    ),
    "takes-any-type": WrongClient(
        "makes a text of whatever stands for the challenge",
        challenges_of_any_type,
        {"answers-of-other-types": Rule.UNUSABLE},
    ),
    "known-members-only": WrongClient(
        "refuses unknown members", life(known_members_only), {"unknown-members": Rule.ANSWERED}
    ),
    "ignores-retry-after": WrongClient(
        "ignores Retry-After",
        waits(0.0, 1.0),
        {"quota-with-retry-after": Rule.WAITS, "busy-guarded": Rule.WAITS},
    ),
    "no-jitter": WrongClient(
        "waits without chance",
        without_jitter,
        {
            "quota-with-retry-after": Rule.JITTER,
            "quota-without-retry-after": Rule.JITTER,
            "bad-gateways": Rule.JITTER,
        },
    ),
    "waits-for-ever": WrongClient(
        "waits for as long as it reads",
        lambda: [patch("devkit.client_core.waits.asked_seconds", lambda text: 0.0 if text == "0" else 999_999.0)],
        {"retry-after-absurd": Rule.COMES_BACK, "retry-after-of-days": Rule.COMES_BACK},
    ),
    "joins-no-wait": WrongClient(
        "lets each caller try again",
        lambda: [patch.object(Flights, "_wait", lambda *_: None)],
        {"callers-join-a-wait": Rule.WAITS},
    ),
    "believes-its-clock": WrongClient(
        "takes no offset",
        lambda: [patch(f"{AT}.app.clock_offset", lambda *_, **__: None)],
        {"clock-hour-ahead": Rule.CLOCK, "clock-hour-behind": Rule.CLOCK},
    ),
    "any-clock": WrongClient("takes any offset", any_clock, {"clock-year-ahead": Rule.CLOCK}),
    "hears-no-version": WrongClient(
        "does not read which policy is active",
        lambda: [patch(f"{AT}.app.VERSION_HEADER", "x-nothing")],
        {"policy-changed": Rule.POLICY_TAKEN},
    ),
    "looks-once": WrongClient("asks for the policy once", looks_once, {"policy-refreshed": Rule.POLICY_TAKEN}),
    "takes-older": WrongClient(
        "takes older policies",
        takes(take_older),
        {
            "policy-rolled-back": Rule.POLICY_REFUSED,
            "policy-rolled-back-after-a-start": Rule.POLICY_REFUSED,
            "policy-of-the-same-version": Rule.POLICY_REFUSED,
        },
    ),
    "takes-anything": WrongClient(
        "takes policies without looking at them",
        takes(take_anything),
        {
            "policy-of-another-app": Rule.POLICY_REFUSED,
            "policy-by-a-stranger": Rule.POLICY_REFUSED,
            "policy-of-the-future": Rule.POLICY_REFUSED,
            "policy-half-readable": Rule.POLICY_REFUSED,
        },
    ),
    "known-policies-only": WrongClient(
        "refuses policies with unknown members", takes(take_known_members), {"policy-with-more": Rule.UNKNOWN_IGNORED}
    ),
    "believes-304": WrongClient(
        "takes every answer for good", believes_304, {"policy-not-modified-unasked": Rule.POLICY_TAKEN}
    ),
    "drops-policies": WrongClient(
        "drops its policy where there is none", drops_what_is_withdrawn, {"policy-withdrawn": Rule.POLICY_REFUSED}
    ),
    "enforces-nothing": WrongClient(
        "holds a policy and does not enforce it",
        lambda: [patch.object(Policies, "require", lambda *_: None)],
        {
            "policy-must-be-current": Rule.POLICY_ENFORCED,
            "minimum-build": Rule.POLICY_ENFORCED,
            "kill-switch": Rule.POLICY_ENFORCED,
        },
    ),
    "confirms-nothing": WrongClient(
        "lets no answer confirm the policy",
        lambda: [patch.object(Policies, "_confirm", lambda self: self.app.save())],
        {"policy-confirmed": Rule.ANSWERED},
    ),
    "one-step": WrongClient(
        "follows one root set",
        lambda: [patch(f"{AT}.policies.MOST_STEPS", 1)],
        {"root-transition-slept-through": Rule.ROOTS_FOLLOWED},
    ),
    "follows-no-roots": WrongClient(
        "asks for no root set",
        lambda: [patch.object(Policies, "_follow", lambda _: False)],
        {"root-transition": Rule.ROOTS_FOLLOWED},
    ),
    "follows-any-roots": WrongClient(
        "takes any root set",
        lambda: [patch(f"{AT}.policies.next_root_set", any_root_set)],
        {
            "root-set-without-overlap": Rule.ROOTS_REFUSED,
            "root-set-by-a-stranger": Rule.ROOTS_REFUSED,
            "root-set-skipped": Rule.ROOTS_REFUSED,
        },
    ),
    "follows-without-end": WrongClient(
        "follows root sets without end",
        lambda: [patch(f"{AT}.policies.MOST_STEPS", 1000)],
        {"root-sets-without-end": Rule.BOUNDED_LOOP},
    ),
    "no-sealing-key": WrongClient(
        "endorses no sealing key",
        lambda: [patch(f"{AT}.flights.SEALING", "none")],
        {"secret-opened": Rule.SECRET_OPENED},
    ),
    "any-secret": WrongClient(
        "asks for any version of any secret",
        takes(take_any_secret),
        {"secret-older": Rule.SECRET_REFUSED, "secret-not-in-policy": Rule.SECRET_REFUSED},
    ),
    "opens-other-names": WrongClient(
        "opens what was sealed for another name", opens_other_names, {"secret-of-another-name": Rule.SECRET_REFUSED}
    ),
    "hides-refusals": WrongClient(
        "calls a refused secret a bad moment",
        shows("SECRET_REFUSED", app_errors.UNAVAILABLE),
        {"secret-refused": Rule.ERROR_SHOWN},
    ),
    "other-bytes-elsewhere": WrongClient(
        "makes a new enrolment for another region", other_bytes_elsewhere, {"wrong-region": Rule.REGION_FOLLOWED}
    ),
    "hides-regions": WrongClient(
        "calls an unknown region its own mistake",
        shows("WRONG_REGION", app_errors.MISCONFIGURED),
        {"unknown-region": Rule.ERROR_SHOWN},
    ),
    "leaves-home-at-once": WrongClient(
        "leaves home after one failure",
        constants(HOME_IS_LOST=0, HOME_ATTEMPTS=1),
        {"home-away": Rule.REGION_KEPT, "home-answers-busy": Rule.REGION_KEPT},
    ),
    "never-leaves-home": WrongClient("never leaves home", constants(HOME_IS_LOST=1e9), {"home-away": Rule.REGION_KEPT}),
    "gives-keys-up": WrongClient(
        "gives its key up where another region does not know it",
        constants(KEY_MAY_BE_LOST=0),
        {"home-away-key-unknown": Rule.REGION_KEPT},
    ),
}
"""By a name of its own."""
