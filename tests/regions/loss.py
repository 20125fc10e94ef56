"""A region dies under load: its keys renew in the other one once it is declared lost, and once-only holds all through.

Phones are at home in both regions and renew all the time. The link is cut, some more phones enrol in the region that
is about to die, and it dies, with what it had not handed on. The other region is declared its adopter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from tests.regions.bed import EU, US, Bed, DrillFailed, wait_for
from tests.regions.judged import Judgement, judge
from tests.regions.phones import Crowd, Phone

BOUND = 60.0
"""Seconds from the declaration within which every key that had replicated renews in the other region."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much: phones at home in each region, phones that had not replicated, seconds of load before and between death
    and declaration, how fast the clocks of phones go, and of those that have to enrol again."""

    phones: int
    late: int
    load: float
    undeclared: float
    speed: float
    speed_of_late: float


FULL = Size(phones=20, late=5, load=30, undeclared=20, speed=1, speed_of_late=20)
SHORT = Size(phones=6, late=2, load=3, undeclared=1, speed=20, speed_of_late=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What was measured. Seconds are from the declaration to the first renewal in the other region."""

    moved: tuple[float, ...]
    stayed: int
    enrolled_again: int
    judgement: Judgement

    def __str__(self) -> str:
        judged = self.judgement
        return (
            f"{len(self.moved)} replicated keys renewed elsewhere, {median(self.moved):.1f} s (median) and "
            f"{max(self.moved):.1f} s (last) after the loss was declared; {self.stayed} keys of the other region went "
            f"on; {self.enrolled_again} keys that had not replicated enrolled again. Judged: {judged.redeems} redeems, "
            f"{judged.succeeded} succeeded, {judged.unanswered} without an answer, {judged.spent} nonces spent in both "
            f"regions together, {len(judged.faults)} faults"
        )


def lose_a_region(bed: Bed, size: Size, say: Callable[[str], None]) -> Loss:
    """Lose `eu`.

    Raises:
        DrillFailed: when a key does not renew in time, or something was redeemed twice.
    """
    of_eu, of_us = ([_phone(bed, home, size.speed) for _ in range(size.phones)] for home in (EU, US))
    for phone in (*of_eu, *of_us):
        phone.enrol(phone.home)
    ids = {phone.installation.bonafide_key_id for phone in of_eu}
    wait_for("every key of eu", lambda: ids <= {row["key_id"]["S"] for row in bed.rows(US, "attested_keys")})
    late = [_phone(bed, EU, size.speed_of_late) for _ in range(size.late)]
    with _renewing([*of_eu, *of_us]):
        time.sleep(size.load)
        bed.stacks.replicator.cut()
        for phone in late:
            phone.enrol(EU)
        bed.stacks.kill(EU)
        bed.stacks.replicator.join()
        died = time.monotonic()
        say(f"eu died under load, {size.late} keys that had enrolled last with it")
        with _renewing(late):
            time.sleep(size.undeclared)
            bed.stacks.declare_lost(EU, adopter=US)
            declared = time.monotonic()
            say(f"eu is declared lost {declared - died:.0f} s later")
            wait_for("a renewal of every key", lambda: all(phone.home == US for phone in of_eu), BOUND + 5)
            wait_for("a new key of every other phone", lambda: all(phone.home == US for phone in late), BOUND + 5)
            wait_for("a renewal in us", lambda: all(_went_on(phone, declared) for phone in of_us), BOUND)
    everyone = [*of_eu, *of_us, *late]
    spent = {region: [row["nonce"]["S"] for row in bed.rows(region, "nonces")] for region in (EU, US)}
    loss = Loss(
        moved=tuple(_first_elsewhere(phone) - declared for phone in of_eu),
        stayed=len(of_us),
        enrolled_again=sum(phone.enrolled_again for phone in late),
        judgement=judge((redeem for phone in everyone for redeem in phone.history), spent),
    )
    _require(loss, of_eu, size)
    return loss


def _require(loss: Loss, of_eu: list[Phone], size: Size) -> None:
    if loss.judgement.faults:
        raise DrillFailed("; ".join(loss.judgement.faults))
    if max(loss.moved) > BOUND:
        raise DrillFailed(f"a replicated key renewed {max(loss.moved):.0f} s after the declaration: {loss}")
    if any(phone.enrolled_again for phone in of_eu):
        raise DrillFailed("a key that had replicated enrolled again")
    if loss.enrolled_again != size.late:
        raise DrillFailed(f"{loss.enrolled_again} phones enrolled again, not {size.late}")


def _phone(bed: Bed, home: str, speed: float) -> Phone:
    scene = bed.scenes[home]
    clients = {name: one.client for name, one in bed.scenes.items()}
    return Phone(scene.install(), clients, home, anew=scene.install, speed=speed)


@contextmanager
def _renewing(phones: list[Phone]) -> Iterator[None]:
    crowd = Crowd(phones)
    crowd.start()
    try:
        yield
    finally:
        crowd.stop()


def _went_on(phone: Phone, since: float) -> bool:
    return any(redeem.succeeded and redeem.at > since for redeem in phone.history)


def _first_elsewhere(phone: Phone) -> float:
    return next(redeem.at for redeem in phone.history if redeem.succeeded and redeem.region == US)
