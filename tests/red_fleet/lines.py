"""Decision lines of sightings, as the functions write them, facts sealed under an epoch's key of the test's."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bonafide_tokens.jose import b64url_decode
from service.detection.detection_facts import DetectionFacts
from service.detection.epochs import EpochKeys, epoch_of
from service.detection.network import NETWORK_BYTES
from service.detection.sealed_facts import seal
from service.detection.sighting import Sighting


@dataclass(slots=True)
class EpochsOfTest:
    """:class:`service.detection.epochs.KeysOfEpochs`: the keys of every epoch, drawn by the seed."""

    seed: int
    _known: dict[int, EpochKeys] = field(default_factory=dict)

    def of(self, epoch: int) -> EpochKeys | None:
        """As the protocol says."""
        if epoch not in self._known:
            chance = random.Random(f"epoch {self.seed} {epoch}")
            self._known[epoch] = EpochKeys(chance.randbytes(32), chance.randbytes(32))
        return self._known[epoch]


@dataclass(slots=True)
class LineWriter:
    """Writes lines. Names in its sightings are raw ones (``RawNames``): what is sealed are their bytes."""

    keys: EpochsOfTest
    chance: random.Random

    def line(self, one: Sighting) -> str:
        """One line, without what a policy looked at: detectors do not read it."""
        epoch = epoch_of(one.at)
        keys = self.keys.of(epoch)
        assert keys is not None
        rule = one.why.removeprefix("rule:") if one.why.startswith("rule:") else ""
        accepted = one.outcome == "accepted"
        members: dict[str, object] = {
            "level": "INFO",
            "message": "decision",
            "timestamp": f"{datetime.fromtimestamp(one.at, UTC):%Y-%m-%dT%H:%M:%S}.000+00:00",
            "service": "bonafide",
            "action": one.source,
            "outcome": one.outcome,
            "reason": "accepted" if accepted else "appraisal-contraindicated" if rule else one.why,
            "detail": "",
            "support_code": "" if accepted else "AAAAAAAA",
            "request_id": one.id,
            "app": one.app,
            "key_id": one.key_id,
            "platform": one.platform,
            "app_build": one.app_build,
            "at": one.at,
            "os": one.os,
            "model": one.model,
            "country": one.country,
            "tier": "" if rule == "" and not accepted else "affirming" if not rule else "warning",
            "policy_version": 1,
            "findings": [rule] if rule else [],
            "build_match": "",
            "differing": [],
        }
        if rule and not accepted:
            members["decided_by"] = rule
        facts, nonce = facts_of(one), self.chance.randbytes(12)
        members["detection"] = seal(facts, epoch=epoch, key=keys.facts, nonce=nonce)
        return json.dumps(members, separators=(",", ":"))


def facts_of(one: Sighting) -> DetectionFacts:
    """What a verifier would have noted."""
    return DetectionFacts(
        proved=one.proved,
        signer=one.signer,
        issuer=b64url_decode(one.issuer),
        issuer_kind=one.issuer_kind,
        network=b64url_decode(one.network)[:NETWORK_BYTES],
        request_key=b64url_decode(one.request_key),
        delay=one.delay,
        handed_along=one.handed_along,
        counter=one.counter,
        risk_metric=one.risk_metric,
        enrolled_seconds=None if one.enrolled_hours is None else int(one.enrolled_hours * 3600),
        home_country=one.home_country,
    )
