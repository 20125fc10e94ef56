"""Shows a scenario of the red fleet to detectors, as the product does, and notes what they name and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from service.detection.detector import PopulationDetector
from service.detection.finding import Finding, incident_id
from service.detection.sighting import Sighting
from service.detection.slots import InMemorySlots
from service.incidents.running import show

from devkit.fleet.population.labelled import LabelledSighting
from devkit.fleet.population.scenarios import scenario


@dataclass(slots=True)
class Outcome:
    """What became of a scenario. Times are Unix seconds.

    ``enrolled`` are keys in order of their enrolment, with their issuer; ``hostile`` and ``genuine`` all keys that were
    proved; ``named`` when a key was first named by a finding about keys, ``warned`` by one of a batch.
    ``incidents`` is when each opened, with its finding."""

    hostile: dict[str, float] = field(default_factory=dict)
    genuine: dict[str, float] = field(default_factory=dict)
    issuers: dict[str, str] = field(default_factory=dict)
    named: dict[str, float] = field(default_factory=dict)
    warned: dict[str, float] = field(default_factory=dict)
    incidents: dict[str, tuple[float, Finding]] = field(default_factory=dict)
    first_hostile: float = 0.0
    decisions: int = 0
    slots: InMemorySlots = field(default_factory=InMemorySlots)

    @property
    def false_keys(self) -> set[str]:
        """Genuine keys that a finding about keys named."""
        return self.named.keys() & self.genuine.keys()

    @property
    def found(self) -> set[str]:
        """Hostile keys that a finding about keys named."""
        return self.named.keys() & self.hostile.keys()


def judged(
    name: str,
    seed: int,
    detectors: Sequence[PopulationDetector],
    *,
    phones: int = 10_000,
    delivery: float = 10.0,
    use: float = 1.0,
) -> Outcome:
    """The outcome of a scenario. ``delivery`` is of how many seconds decisions arrive together; what is found is known
    at the end of them. ``use`` multiplies the sessions of ordinary phones, and not their enrolments."""
    outcome = Outcome()
    by_issuer: dict[str, list[str]] = {}
    for now, batch in deliveries(scenario(name, seed, phones, use=use), delivery):
        for sighting, hostile in batch:
            outcome.decisions += 1
            if hostile and not outcome.first_hostile:
                outcome.first_hostile = sighting.at
            if not (sighting.proved and sighting.key_id):
                continue
            if hostile:
                outcome.genuine.pop(sighting.key_id, None)
            if hostile or sighting.key_id not in outcome.hostile:
                (outcome.hostile if hostile else outcome.genuine).setdefault(sighting.key_id, sighting.at)
            if sighting.source == "enrol" and sighting.issuer and sighting.outcome == "accepted":
                outcome.issuers[sighting.key_id] = sighting.issuer
                by_issuer.setdefault(sighting.issuer, []).append(sighting.key_id)
        marked = [_marked(each.sighting) for each in batch]
        shown = show(marked, detectors, outcome.slots, now=now, failed=_fail)
        for finding in shown.findings:
            outcome.incidents.setdefault(incident_id(finding), (now, finding))
            names = outcome.named if finding.scope == "key" else outcome.warned
            for key in (*finding.keys, *(key for mark in finding.issuers for key in by_issuer.get(mark, ()))):
                names.setdefault(key, now)
    return outcome


def deliveries(
    sightings: Iterator[LabelledSighting], delivery: float
) -> Iterator[tuple[float, list[LabelledSighting]]]:
    """Sightings in deliveries, each with the moment at which it is there."""
    batch: list[LabelledSighting] = []
    until = 0.0
    for labelled in sightings:
        if labelled.sighting.at >= until:
            if batch:
                yield until, batch
            batch, until = [], (labelled.sighting.at // delivery + 1) * delivery
        batch.append(labelled)
    if batch:
        yield until, batch


def _marked(sighting: Sighting) -> Sighting:
    """With a mark of its certificate, as the reader of lines makes one: here it is the pseudonym."""
    return replace(sighting, issuer_mark=sighting.issuer) if sighting.issuer else sighting


def _fail(name: str, error: Exception) -> None:
    raise AssertionError(f"{name} failed") from error
