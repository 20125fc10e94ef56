"""Clone storm: attested keys that are used in two places, by copies of an app or by instances that share one signer.

Hardware keys do not leave their phone, but an app can be made to sign for others. Copies of an app each count on from
where they were copied, so they run into each other: a fresh challenge, signed, with a counter that went back.
Such a refusal makes a key worth watching, and no more: a stranger may have held back a request and sent it late. From
then on the instances (request key, model and system) of what is *accepted* are followed. A phone may change its request
key, which then never comes back. A key whose accepted renewals go A, B, A, B is in two places: each was signed over a
challenge of its own that was not spent, so no request that is sent again can do that.

False alarms: none by construction, as long as an install's request key is in hardware and one process uses it. Out of
order, a change of the request key could look like a return: what is older than the last change is left out.

Not seen: keys without a counter (Android, HarmonyOS), and copies that share one counter, are never suspected here.
Bounded: 56 keys in each of four slots; keys that are only watched go first, the oldest before others.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from service.detection.detector import Folded
from service.detection.finding import Finding
from service.detection.population.packing import DAY, KEY, digest_of, key_bytes, key_text, shard_of
from service.detection.population.remedies import drafted_rule
from service.detection.sighting import Sighting

RETURNS: Final = 2
"""How often an instance must come back: A, B, A, B."""
_SHARDS: Final = 4
_INSTANCES: Final = 4
_MARK: Final = 6
_ENTRY: Final = struct.Struct(f">{KEY}sddHB{_INSTANCES * _MARK}s")
_MOST: Final = 53
_WATCHED: Final = 2.0 * DAY
_QUIET: Final = 6 * 3600.0
_BACK: Final = "counter-not-greater"


@dataclass(slots=True)
class _Key:
    """``changed`` is when the instance last changed, or the counter went back for the first time."""

    began: float
    changed: float
    returns: int = 0
    instances: bytes = b""

    def accept(self, at: float, instance: bytes) -> None:
        """An accepted renewal of an instance; the present one stands first."""
        known = [self.instances[place : place + _MARK] for place in range(0, len(self.instances), _MARK)]
        if at <= self.changed or known[:1] == [instance]:
            return
        if instance in known:
            self.returns = min(self.returns + 1, 0xFFFF)
            known.remove(instance)
        self.changed, self.instances = at, b"".join([instance, *known][:_INSTANCES])


class CloneStorm:
    """See the module."""

    name: Final = "clone-storm"
    version: Final = 1

    def slots_of(self, sighting: Sighting) -> Sequence[str]:
        if not sighting.proved or sighting.source == "enrol" or sighting.counter is None:
            return ()
        if sighting.outcome != "accepted" and sighting.why != _BACK:
            return ()
        return (f"keys/{shard_of(sighting.key_id, _SHARDS)}",)

    def fold(self, slot: str, state: bytes | None, sightings: Sequence[Sighting], now: float) -> Folded:
        keys = _read(state)
        for sighting in sightings:
            raw = key_bytes(sighting.key_id)
            if raw is None:
                continue
            found = keys.get(raw)
            if sighting.outcome == "accepted":
                if found is not None:
                    found.accept(sighting.at, _instance(sighting))
            elif found is None and sighting.at > now - _WATCHED:
                keys[raw] = _Key(sighting.at, sighting.at)
        kept = sorted(
            ((raw, key) for raw, key in keys.items() if key.changed > now - _WATCHED),
            key=lambda item: (item[1].returns >= RETURNS, item[1].changed, item[0]),
            reverse=True,
        )[:_MOST]
        packed = b"".join(
            _ENTRY.pack(raw, key.began, key.changed, key.returns, len(key.instances) // _MARK, key.instances)
            for raw, key in sorted(kept)
        )
        return Folded(packed or None, _finding(slot, kept, sightings), now + _WATCHED)


def _instance(sighting: Sighting) -> bytes:
    return digest_of("\0".join((sighting.request_key, sighting.model, sighting.os)), _MARK)


def _read(state: bytes | None) -> dict[bytes, _Key]:
    return {
        raw: _Key(began, changed, returns, instances[: count * _MARK])
        for raw, began, changed, returns, count, instances in _ENTRY.iter_unpack(state or b"")
    }


def _finding(slot: str, kept: Iterable[tuple[bytes, _Key]], sightings: Sequence[Sighting]) -> Finding | None:
    named = [(raw, key) for raw, key in kept if key.returns >= RETURNS]
    if not named:
        return None
    app = sightings[-1].app
    return Finding(
        detector=CloneStorm.name,
        subject=slot,
        app=app,
        since=min(key.began for _, key in named),
        last=max(key.changed for _, key in named),
        title=f"Used by several app instances at once: {len(named)} attested {'key' if len(named) == 1 else 'keys'}.",
        counts={"keys": len(named), "returns": sum(key.returns for _, key in named)},
        keys=tuple(key_text(raw) for raw, _ in named),
        named={"platform": sightings[-1].platform},
        confidence=0.99,
        because=(
            f"Their counters went back, and accepted renewals then alternated between instances: at least {RETURNS} "
            "returns of an instance that another had replaced. No phone does that, and no request sent again can.",
        ),
        scope="key",
        remedy=drafted_rule(
            CloneStorm.name, app, "Refuse these keys, after a replay: an honest app attests a new one."
        ),
        quiet_after=_QUIET,
    )
