"""Making an operator's change take effect: the stack publishes a trust bundle now, and we watch until it is served."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bonafide_tokens.errors import TokenError
from bonafide_tokens.jose import b64url_decode, read_json_object
from bonafide_tokens.trust_bundle import MAX_TRUST_BUNDLE_CHARACTERS

from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError

_PATIENCE: Final = 10.0
_PAUSE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A trust bundle that was published on demand: its version, and seconds from asking until the stack had it
    (``published``) and until its address served it (``served``; ``None`` when that was not seen)."""

    version: int
    published: float
    served: float | None

    def to_record(self) -> dict[str, object]:
        return {"bundle_version": self.version, "published_seconds": self.published, "served_seconds": self.served}

    def __str__(self) -> str:
        served = "is not served yet" if self.served is None else f"served after {self.served:.1f} s"
        return (
            f"Trust bundle {self.version}: signed after {self.published:.1f} s, {served}. "
            "Every authorizer goes by it within 5 s as a rule, 30 s at most."
        )


def publication_of(
    deployment: Deployment, answer: Mapping[str, Any], *, since: float, again: str = "run the command again"
) -> Publication:
    """What the Admin API's ``answer`` to a change says of publishing it, watched until it is served.

    ``since`` is ``time.monotonic()`` when the change began. Raises :class:`OperatorError` when nothing was published:
    the change stands, and ``again`` is what to do about it.
    """
    version = answer.get("bundle_version")
    if not isinstance(version, int):
        raise OperatorError(
            f"The change is stored, but no trust bundle was published: {again}, or wait for the hourly publication."
        )
    published = time.monotonic() - since
    return Publication(version=version, published=round(published, 2), served=_served_after(deployment, version, since))


def _served_after(deployment: Deployment, version: int, begin: float) -> float | None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if served_version(deployment) >= version:
            return round(time.monotonic() - begin, 2)
        time.sleep(_PAUSE)
    return None


def served_version(deployment: Deployment) -> int:
    """The version that the verifier API serves at this moment, unverified: only to watch; 0 when it cannot be read."""
    version = served_claims(deployment).get("version")
    return version if isinstance(version, int) else 0


def served_claims(deployment: Deployment) -> Mapping[str, Any]:
    """The claims of the trust bundle that the verifier API serves at this moment, unverified: only to watch; none when
    they cannot be read."""
    try:
        with urllib.request.urlopen(f"{deployment.verifier_url}/v1/trust-bundle", timeout=_PATIENCE) as answer:
            text = answer.read(MAX_TRUST_BUNDLE_CHARACTERS).decode("ascii")
        return read_json_object(b64url_decode(text.split(".")[1]))
    except (OSError, ValueError, IndexError, TokenError):
        return {}
