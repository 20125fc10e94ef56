"""When the gates know of a publication, and which of the older tokens they then refuse, by the gate's own code.

Every process of an authorizer fetches the trust bundle for itself. Times are the product's, by import.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
from bonafide_tokens.errors import Rejected
from bonafide_tokens.gate.bundle_keeper import REFRESH_BESIDE_AFTER, REFRESH_FIRST_AFTER
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.pacing.paced import Paced
from bonafide_tokens.signing import EAR_PROFILE, EAR_VERIFIER, public_key_of, sign_jws
from bonafide_tokens.token import TOKEN_TYPE, VerifiedToken, verify_token
from bonafide_tokens.trust_bundle import AppStatus
from cryptography.hazmat.primitives.asymmetric import ec
from numpy.typing import NDArray
from service.keys.publish_debounce import GATHERING
from service.policies.app_states import REMEMBERED
from service.tables.trust_bundles import MEMORY

from devkit.simulation.region.service_times import START_SECONDS

Floats = NDArray[np.float64]

PUBLISHED: Final = 1_000_000
"""Unix seconds of the publication: only differences count."""

KEYS: Final = 4_096
"""Keys that are asked for in the place of all of them."""

_PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)

Judge = Callable[[str, float], bool]
"""Whether a token of a key, older than the publication, is refused at so many seconds after it."""


def publishing(remembered: float = REMEMBERED) -> float:
    """Seconds from the operator's command until a bundle says so: what busy processes remember, what is gathered, and a
    function that starts."""
    return GATHERING + remembered + START_SECONDS


def delays(
    processes: int, passing: float, calls_a_second: float, chance: np.random.Generator, remembered: float = REMEMBERED
) -> Floats:
    """Seconds from the command until each process knows. ``passing`` is the share of its fetches that are answered, and
    ``calls_a_second`` how often it is asked to judge."""
    heard = publishing(remembered) + chance.random(processes) * MEMORY
    idle = chance.exponential(1.0 / max(calls_a_second, 1e-9), processes)
    at = chance.random(processes) * REFRESH_BESIDE_AFTER
    for pause in (*_PAUSES, *_PAUSES[-1:] * 20):
        early = at < heard  # fetched before there was anything new
        at = np.where(early, at + REFRESH_BESIDE_AFTER * np.ceil((heard - at) / REFRESH_BESIDE_AFTER), at)
        failed = chance.random(processes) >= passing
        at = np.where(failed & (at < 1e6), at + pause, at)
        if not failed.any():
            break
    # A process that nothing asks fetches nothing; its next request waits for the fetch once 29 s are over.
    return np.minimum(at + idle, np.maximum(at, REFRESH_FIRST_AFTER + 1.0))


def refusals(judge: Judge, longest: float) -> Floats:
    """Seconds after a publication from which the older token of each of :data:`KEYS` keys is refused, sorted."""
    times = []
    for number in range(KEYS):
        key = b64url_encode(hashlib.sha256(str(number).encode()).digest())
        low, high = 0.0, longest
        if judge(key, low):
            times.append(0.0)
            continue
        while high - low > 0.25:
            middle = (low + high) / 2.0
            low, high = (low, middle) if judge(key, middle) else (middle, high)
        times.append(high)
    return np.sort(np.array(times))


@cache
def honest_token() -> VerifiedToken:
    """What a gate makes of the token of a phone that no predicate names: a real one, by a key of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    claims = {
        "iss": "simulator",
        "sub": "app",
        "aud": "api",
        "iat": PUBLISHED - 1,
        "exp": PUBLISHED + 300,
        "jti": "1",
        "cnf": {"jwk": public_key_of(key).to_jwk()},
        "platform": "ios",
        "key_id": "k" * 43,
        "app_build": "100",
        "policy_version": 1,
        "eat_profile": EAR_PROFILE,
        "ear_verifier_id": EAR_VERIFIER,
        "submods": {"app": {"ear_status": "affirming", "ear_trustworthiness_vector": {}}},
    }
    text = sign_jws(key, {"alg": "ES256", "kid": "1", "typ": TOKEN_TYPE}, claims)
    keys = {"1": public_key_of(key)}
    return verify_token(text, keys=keys, issuer="simulator", audience="api", now=float(PUBLISHED))


def judge(paced: Paced | None, token: VerifiedToken) -> Judge:
    """The gate's own judgement of tokens like ``token``, one second older than the publication. ``paced`` is its grace;
    without one, all of them are refused at once. The publication is of :data:`PUBLISHED`."""
    status = AppStatus(tokens_not_before=float(PUBLISHED), paced=() if paced is None else (paced,))

    def is_refused(key_id: str, seconds: float) -> bool:
        try:
            status.require(token._replace(key_id=key_id, issued_at=PUBLISHED - 1), now=PUBLISHED + seconds)
        except Rejected:
            return True
        return False

    return is_refused
