"""AWS WAF's rules as stacks/edge.yaml has them, for the local front: rates per address and per network, sizes.

Rates are counted exactly over the window; AWS estimates them, and takes some ten seconds to notice. AWS's own rule
groups are not here: they count nothing and block nothing.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

_SLOT: Final = 10.0


@dataclass(frozen=True, slots=True)
class Blocked:
    """What a blocked caller gets."""

    rule: str
    status: int
    body: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """What rules look at of a request."""

    address: str
    network: str
    path: str
    query: str
    body_bytes: int


@dataclass(slots=True)
class _Rate:
    limit: int
    window: float
    paths: re.Pattern[str] | None
    by_network: bool = False
    _slots: dict[int, Counter[str]] = field(default_factory=dict)

    def matches(self, seen: Seen, now: float) -> bool:
        if self.paths is not None and not self.paths.search(seen.path):
            return False
        slot, key = int(now // _SLOT), seen.network if self.by_network else seen.address
        for old in [one for one in self._slots if one <= slot - self.window / _SLOT]:
            del self._slots[old]
        self._slots.setdefault(slot, Counter())[key] += 1
        return sum(counted[key] for counted in self._slots.values()) > self.limit


@dataclass(frozen=True, slots=True)
class _Size:
    of: str
    most: int

    def matches(self, seen: Seen, _now: float) -> bool:
        return (seen.body_bytes if self.of == "Body" else len(seen.query)) > self.most


@dataclass(slots=True)
class WebAcl:
    """The rules in order. ``counted`` is how often each matched, blocked or not."""

    rules: Sequence[tuple[str, _Rate | _Size, Blocked | None]]
    clock: Callable[[], float]
    counted: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def judge(self, seen: Seen) -> Blocked | None:
        """What blocks the request, if anything."""
        with self._lock:
            now = self.clock()
            for name, rule, blocks in self.rules:
                if rule.matches(seen, now):
                    self.counted[name] += 1
                    if blocks is not None:
                        return blocks
        return None


def read_web_acl(properties: Mapping[str, Any], clock: Callable[[], float]) -> WebAcl:
    """The rules that this front knows, of an ``AWS::WAFv2::WebACL`` whose functions are resolved."""
    bodies = {name: body["Content"] for name, body in properties.get("CustomResponseBodies", {}).items()}
    found = []
    for one in sorted(properties["Rules"], key=lambda rule: int(rule["Priority"])):
        rule = _rule(one["Statement"])
        if rule is not None:
            found.append((one["Name"], rule, _blocks(one, bodies)))
    return WebAcl(found, clock)


def _rule(statement: Mapping[str, Any]) -> _Rate | _Size | None:
    if rate := statement.get("RateBasedStatement"):
        scope = rate.get("ScopeDownStatement", {}).get("RegexMatchStatement", {}).get("RegexString")
        paths = re.compile(scope) if scope else None
        by_network = rate.get("CustomKeys") == [{"ASN": {}}]
        return _Rate(int(rate["Limit"]), float(rate["EvaluationWindowSec"]), paths, by_network)
    if size := statement.get("SizeConstraintStatement"):
        return _Size(next(iter(size["FieldToMatch"])), int(size["Size"]))
    return None


def _blocks(rule: Mapping[str, Any], bodies: Mapping[str, str]) -> Blocked | None:
    action = rule.get("Action", {})
    if "Block" not in action:
        return None
    custom = action["Block"].get("CustomResponse", {})
    headers = {one["Name"]: one["Value"] for one in custom.get("ResponseHeaders", ())}
    return Blocked(
        rule["Name"], int(custom.get("ResponseCode", 403)), bodies.get(custom.get("CustomResponseBodyKey"), ""), headers
    )
