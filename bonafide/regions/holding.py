"""Where a change holds: every region of a stack is watched until it serves what was changed in one of them.

Rows reach another region within about a second; its trust bundle follows when its stack publishes the next one, which
it is asked to do at once, and does by itself within a minute.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from bonafide.operator.admin_api import AdminApi, segment
from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError
from bonafide.operator.publication import served_claims
from bonafide.regions.regions import Regions

PATIENCE: Final = 100.0
"""Seconds that a region is watched at most: it looks each minute by itself what others changed."""
PAUSE: Final = 1.0
_ASKED_AGAIN: Final = 5.0
"""Seconds after which a region is asked again to publish: the row may have come after the last time."""
_API_HOST: Final = re.compile(r"\.execute-api\.([a-z0-9-]+)\.amazonaws\.")
_AWS_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What a region serves once a change holds there. ``policy_version`` is at least this, tokens are refused from
    before ``not_before`` (Unix seconds), ``key_id`` is among the blocked, or not if it is not ``blocked``. What is 0 or
    empty was not changed."""

    app: str = ""
    policy_version: int = 0
    not_before: int = 0
    key_id: str = ""
    blocked: bool = True

    @property
    def in_bundle(self) -> bool:
        """Whether a trust bundle has to say something of it."""
        return bool(self.not_before or self.key_id)

    def held_by(self, policy_version: int | None, claims: Mapping[str, Any]) -> bool:
        """Whether a region whose policy is of this version, and whose bundle says ``claims``, does."""
        told = claims.get("apps")
        apps = told if isinstance(told, Mapping) else {}
        if self.policy_version and (policy_version is None or policy_version < self.policy_version):
            return False
        if self.not_before and _number(apps.get(self.app), "tokens_not_before") < self.not_before:
            return False
        statuses = [status for status in apps.values() if isinstance(status, Mapping)]
        listed = any(self.key_id in status.get("blocked_keys", ()) for status in statuses)
        return not self.key_id or listed == self.blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a region served last. ``policy_version`` is ``None`` where it was not asked, or could not be seen.
    ``seconds`` are from the change until it held there; ``None``, where that was not seen, and ``note`` may say why."""

    region: str
    policy_version: int | None
    bundle_version: int
    seconds: float | None
    note: str = ""

    def to_record(self) -> dict[str, object]:
        return {
            "region": self.region,
            "policy_version": self.policy_version,
            "bundle_version": self.bundle_version,
            "seconds": self.seconds,
            "note": self.note,
        }


class Look(Protocol):
    """What one region says now."""

    def policy_version(self) -> int:
        """The app's latest version. Raises :class:`~bonafide.operator.errors.OperatorError`."""

    def bundle(self) -> Mapping[str, Any]:
        """The claims of its trust bundle; none where it cannot be read."""

    def publish(self) -> None:
        """Ask it to publish. Raises :class:`~bonafide.operator.errors.OperatorError`."""


@dataclass(frozen=True, slots=True)
class RegionOfStack:
    """:class:`Look` at one region of a stack."""

    deployment: Deployment
    region: str
    app: str

    def policy_version(self) -> int:
        return int(AdminApi(self.deployment).call("GET", f"/admin/policies/{segment(self.app)}")["latest"])

    def bundle(self) -> Mapping[str, Any]:
        return served_claims(self.deployment)

    def publish(self) -> None:
        regions = Regions(AdminApi(self.deployment))
        regions.change(self.region, "publish", regions.show())


def regions_of(deployment: Deployment, app: str) -> dict[str, Look]:
    """The active regions of a stack, by name; none for a stack of one, which its trust bundle shows without a further
    request. Raises :class:`~bonafide.operator.errors.OperatorError`."""
    if not served_claims(deployment).get("region"):
        return {}
    known = Regions(AdminApi(deployment)).show()["regions"]
    active = [(str(one["region"]), str(one["url"]).rstrip("/")) for one in known if one["state"] == "active"]
    return {name: RegionOfStack(_in_region(deployment, name, url), name, app) for name, url in active}


def watched(
    regions: Mapping[str, Look],
    sought: Sought,
    *,
    since: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    patience: float = PATIENCE,
) -> tuple[Holding, ...]:
    """Watch every region until the change holds there, or ``patience`` is over. ``since`` is ``clock`` when the change
    began."""
    found: dict[str, Holding] = {}
    asked = dict.fromkeys(regions, clock() - _ASKED_AGAIN)
    while True:
        for name, look in regions.items():
            if name in found and found[name].seconds is not None:
                continue
            found[name] = _seen(name, look, sought, clock() - since)
            if found[name].seconds is None and sought.in_bundle and clock() - asked[name] >= _ASKED_AGAIN:
                asked[name] = clock()
                found[name] = replace(found[name], note=found[name].note or _asked(look))
        if all(one.seconds is not None for one in found.values()) or clock() - since >= patience:
            return tuple(found.values())
        sleep(PAUSE)


def _seen(name: str, look: Look, sought: Sought, seconds: float) -> Holding:
    claims, version, note = look.bundle(), None, ""
    if sought.policy_version:
        try:
            version = look.policy_version()
        except OperatorError as error:
            note = str(error)
    holds = sought.held_by(version, claims)
    return Holding(
        region=name,
        policy_version=version,
        bundle_version=int(_number(claims, "version")),
        seconds=round(seconds, 1) if holds else None,
        note=note,
    )


def _asked(look: Look) -> str:
    try:
        look.publish()
    except OperatorError as error:
        return str(error)
    return ""


def _in_region(deployment: Deployment, name: str, url: str) -> Deployment:
    """The same stack, as another region serves it."""
    host = _API_HOST.search(urlsplit(url).hostname or "")
    aws = host[1] if host else name if _AWS_REGION.match(name) else deployment.region
    return replace(deployment, verifier_url=url, region=deployment.region if deployment.is_local else aws)


def _number(record: object, name: str) -> float:
    value = record.get(name) if isinstance(record, Mapping) else None
    return value if isinstance(value, int | float) else 0
