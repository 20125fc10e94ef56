"""A thousand redeems of one challenge, in both regions at once: exactly one succeeds.

Global tables let both regions' conditions hold within the delay, so without homes more than one would: the same race
against regions that do not know which they are shows it, and shows that this drill can fail.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bonafide.operator.registration import DEMO_APP
from tests.regions.bed import EU, US, Bed, DrillFailed, wait_for

RACERS = 1_000
_PHONES = 20
"""Phones that race with renewals: each sends the same share of them."""

Entry = tuple[str, str, Mapping[str, object]]
"""Region, path and body of one redeem."""


@dataclass(frozen=True, slots=True)
class Raced:
    """What came back, by region and answer (`409 wrong-region`), and whose home the challenge was."""

    what: str
    home: str
    answers: Mapping[tuple[str, str], int]
    named: frozenset[str]
    """The homes that answers of `wrong-region` named."""

    @property
    def winners(self) -> int:
        """How many redeemed."""
        return sum(number for (_, answer), number in self.answers.items() if answer[0] == "2")

    def __str__(self) -> str:
        told = ", ".join(f"{region} {answer}: {number}" for (region, answer), number in sorted(self.answers.items()))
        return f"{self.what}, home {self.home}: {told}"

    def require_once(self) -> None:
        """Exactly one redeemed, at home; the others were told 409, those elsewhere with the home's name.

        Raises:
            DrillFailed: when that is not so.
        """
        if self.winners != 1:
            raise DrillFailed(f"{self.winners} of one challenge's redeems succeeded. {self}")
        lost = {region: "409 challenge-unusable" if region == self.home else "409 wrong-region" for region in (EU, US)}
        for region, answer in self.answers:
            if answer != lost[region] and not (answer[0] == "2" and region == self.home):
                raise DrillFailed(f"{region} answered {answer}. {self}")
        if self.named != {self.home}:
            raise DrillFailed(f"wrong-region named {sorted(self.named)}, not {self.home}. {self}")


def enrolments(bed: Bed, home: str, racers: int = RACERS) -> Raced:
    """Phones by the hundred with one challenge of `home`, half of them in each region."""
    challenge = bed.scenes[home].client.challenge(DEMO_APP)
    phones = [bed.scenes[home].install() for _ in range(racers)]
    bodies = [phone.attestation_body(phone.client_data(challenge)) for phone in phones]
    return _race(bed, f"{racers} enrolments", home, _both("/v1/attestations", bodies))


def renewals(bed: Bed, home: str, racers: int = RACERS) -> Raced:
    """Keys of `home`, known in both regions, with one challenge."""
    scene = bed.scenes[home]
    phones = [scene.install() for _ in range(_PHONES)]
    for phone in phones:
        scene.client.attest(phone)
    away = US if home == EU else EU
    ids = {phone.bonafide_key_id for phone in phones}
    wait_for("every racing key", lambda: ids <= {row["key_id"]["S"] for row in bed.rows(away, "attested_keys")})
    challenge = scene.client.challenge(DEMO_APP)
    bodies = [phone.renewal_body(phone.client_data(challenge)) for phone in phones for _ in range(racers // _PHONES)]
    return _race(bed, f"{len(bodies)} renewals", home, _both("/v1/tokens", bodies))


def _both(path: str, bodies: Sequence[Mapping[str, object]]) -> list[Entry]:
    return [((EU, US)[number % 2], path, body) for number, body in enumerate(bodies)]


def _race(bed: Bed, what: str, home: str, entries: Sequence[Entry]) -> Raced:
    start = threading.Barrier(len(entries))

    def send(entry: Entry) -> tuple[str, str, Any]:
        region, path, body = entry
        start.wait(timeout=120)
        answer = bed.scenes[region].client.post(path, body)
        return region, answer.summary, answer.json.get("home")

    with ThreadPoolExecutor(len(entries)) as crowd:
        came = list(crowd.map(send, entries))
    answers = Counter((region, answer) for region, answer, _ in came)
    return Raced(what, home, answers, frozenset(named for _, answer, named in came if answer == "409 wrong-region"))


def require_trap(raced: Raced) -> None:
    """Regions without homes let more than one through.

    Raises:
        DrillFailed: when they do not: then this drill does not show what it should.
    """
    if raced.winners < 2:
        raise DrillFailed(f"regions without homes let {raced.winners} through: the race proves nothing. {raced}")
