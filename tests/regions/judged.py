"""Once-only, judged afterwards: by what phones remember, and by what both regions' tables say was spent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bonafide_tokens.jose import b64url_decode, b64url_encode

from tests.regions.phones import Redeem


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was looked at, and each thing that cannot be."""

    redeems: int
    succeeded: int
    unanswered: int
    spent: int
    faults: tuple[str, ...]


def nonce_of(challenge: str) -> str:
    """The name under which a challenge is spent: what is random in it."""
    return b64url_encode(b64url_decode(challenge)[16:-16])


def judge(redeems: Iterable[Redeem], spent: Mapping[str, Iterable[str]]) -> Judgement:
    """`spent` has the nonces that each region's table lists."""
    known = list(redeems)
    tables = {region: set(nonces) for region, nonces in spent.items()}
    faults = []
    successes = [redeem for redeem in known if redeem.succeeded]
    for challenge, times in Counter(redeem.challenge for redeem in successes).items():
        if times > 1:
            where = sorted({redeem.region for redeem in successes if redeem.challenge == challenge})
            faults.append(f"one challenge was redeemed {times} times, in {', '.join(where)}")
    faults += [
        f"{redeem.region} answered {redeem.status}, and its table has no such nonce"
        for redeem in successes
        if nonce_of(redeem.challenge) not in tables.get(redeem.region, set())
    ]
    everywhere = Counter(nonce for nonces in tables.values() for nonce in nonces)
    twice = sum(1 for times in everywhere.values() if times > 1)
    if twice:
        faults.append(f"{twice} nonces are spent in more than one region")
    unanswered = sum(1 for redeem in known if redeem.status == 0)
    return Judgement(len(known), len(successes), unanswered, len(everywhere), tuple(faults))
