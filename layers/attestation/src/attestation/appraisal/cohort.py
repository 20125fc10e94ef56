"""Which installs a staged rollout reaches first: decided by arithmetic, stored nowhere."""

from __future__ import annotations

from hashlib import sha256


def in_rollout(app: str, install: str, percent: int) -> bool:
    """Whether ``install`` (a key_id, or the hash that names an install before it has a key) is among the ``percent`` %
    of ``app``'s installs that a rollout has reached.

    Stable: the same install gives the same answer every time and everywhere. Who is reached at 10 % is reached at
    50 % too, so raising the percentage never takes a version away from an install. An app can compute its own place and
    move it by enrolling again; nothing may depend on an install *not* being in the cohort.
    Raises :class:`ValueError` unless ``percent`` is 0 … 100.
    """
    if not 0 <= percent <= 100:
        raise ValueError("a rollout is a percentage")
    # The length keeps ("ab", "c") and ("a", "bc") apart, whatever characters names may have one day.
    digest = sha256(f"{len(app)}:{app}:{install}".encode("utf-8", "surrogatepass")).digest()
    place = int.from_bytes(digest[:8], "big") * 100 >> 64  # 0 … 99, equally likely
    return place < percent
