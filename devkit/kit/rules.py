"""The rules that the kit judges a client by: a closed list of names, each with what a client must do.

docs/client-kit.md has the same table; docs/wire-contract.md says why.
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import NamedTuple, Self


@unique
class Rule(StrEnum):
    """A rule; ``meaning`` is the sentence that the findings and the documentation show."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        rule = str.__new__(cls, value)
        rule._value_ = value
        rule.meaning = meaning
        return rule

    # What is sent to the verifier.
    REQUEST_FORM = "request-form", "Requests have the documented method, content type and members, and no others."
    CLIENT_DATA_FORM = "client-data-form", "Client data is what the stack reads: texts cut, no control characters."
    EVIDENCE_BOUND = "evidence-bound", "Evidence verifies over exactly the client data that is sent with it."
    CHALLENGE_ONCE = "challenge-once", "A challenge stands in one body; another body has another challenge."
    CHALLENGE_FRESH = "challenge-fresh", "New client data has a challenge of at most 240 seconds."
    SAME_BYTES = "same-bytes", "After an unknown outcome the same bytes are sent again, also after a restart."
    ONE_FLIGHT = "one-flight", "Callers at the same time share one enrolment or renewal."
    NO_NEEDLESS_ENROLMENT = "no-needless-enrolment", "A key that is enrolled renews; it is not replaced."
    ENROLS_AGAIN = "enrols-again", "A key that the verifier does not know, or that is gone, is replaced by a new one."
    BOUNDED = (
        "bounded",
        "Flights stay below 10 requests a minute, 60 an hour (more for short tokens), 3 enrolments an hour.",
    )
    BEACON = "beacon", "A device that cannot attest says so once per cause and start; no refusal is reported."

    # What is sent to a guarded API.
    PROTECTED = "protected", "No request of a guarded API is sent without its token and proof."
    PROOF_HOLDS = "proof-holds", "Token and proof hold: signature, method, URL, time, token."
    PROOF_ONCE = "proof-once", "Every send has a proof of its own."
    BODY_SIGNED = "body-signed", "A proof signs the body of its request."
    TOKEN_IN_TIME = "token-in-time", "A token is not used in its last five seconds, nor later."
    RENEWS_IN_TIME = "renews-in-time", "Without a cause, a renewal begins at 70 to 80 percent of a token's life."
    RENEWS_BESIDE = "renews-beside", "While a token lives, requests go on with it though its renewal waits or fails."
    NONCE_KEPT = "nonce-kept", "The newest nonce of an origin goes into the next proof for that origin."
    NONCE_OF_ORIGIN = "nonce-of-origin", "A nonce goes to no other origin."
    TOKEN_STAYS = (
        "token-stays",
        "Token and proof go to the verifier and to guarded origins alone; no redirect is followed.",
    )
    NOT_TWICE = "not-twice", "A call that may have been done, and is no GET or HEAD, is not sent again."
    THREE_SENDS = "three-sends", "A guarded call is sent at most three times."

    # Waits.
    WAITS = "waits", "Nothing is sent again before Retry-After is over."
    JITTER = "jitter", "Every wait has a random part."
    COMES_BACK = "comes-back", "After the longest wait that the contract allows, the client tries again."
    HOLDS = "holds", "A rejected or blocked install begins nothing for 900 seconds."

    # What the app gets.
    ANSWERED = "answered", "A request that can be served is served."
    ERROR_SHOWN = "error-shown", "The app gets the documented error: code, fault, action, support code."
    BOUNDED_LOOP = "bounded-loop", "One call of the app causes a bounded number of requests."
    CLOCK = "clock", "The clock's offset is taken from answers, up to a day; beyond it the user sets the clock."

    # Policies, roots, regions, secrets, storage.
    POLICY_TAKEN = "policy-taken", "A good and newer client policy is enforced."
    POLICY_REFUSED = (
        "policy-refused",
        "A policy that is older, of another app, by another key or of another format is not.",
    )
    POLICY_ENFORCED = "policy-enforced", "Minimum build, kill switches and stale mode stop what they say."
    ROOTS_FOLLOWED = "roots-followed", "Signed root sets are followed step by step."
    ROOTS_REFUSED = (
        "roots-refused",
        "A root set that keeps no root of the one before, or is signed by none, is not taken.",
    )
    REGION_FOLLOWED = "region-followed", "The same bytes go to the region that an answer names, and home is remembered."
    REGION_KEPT = (
        "region-kept",
        "Home is left after 60 seconds and three attempts without it, and a key not before 600.",
    )
    REGION_KNOWN = "region-known", "A region's address is built in or in the client policy, never from an answer."
    SECRET_OPENED = "secret-opened", "A secret is opened with a sealing key that was endorsed."
    SECRET_REFUSED = "secret-refused", "A secret that is too old, or sealed for another name, is not given to the app."
    UNUSABLE = "unusable", "An answer that is truncated, too large or of another form is not used."
    UNKNOWN_IGNORED = "unknown-ignored", "Unknown members and header fields change nothing."
    STATE_KEPT = "state-kept", "After a restart the key, the policy's version and home are as before."
    PROTOCOL = "protocol", "The test program follows the kit's protocol: one line of JSON per command, in time."


class Finding(NamedTuple):
    """What a client did wrong: the ``rule`` and one sentence."""

    rule: Rule
    detail: str
