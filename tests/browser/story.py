"""The story of an outbreak, told in the browser alone. The devices are those of `make demo-outbreak`.

It shows up, its cause is found, a rule is drafted from it, replayed, published with effect now, seen to hold, rolled
back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, cast

from devkit.fleet.drills.outbreak import OUTBREAK_APP, TOOL, Console, Effect, Outbreak
from devkit.fleet.drills.traffic import Fate, Traffic
from tests.browser.conftest import opened
from tests.browser.live import Live, Mouse, wait_until


@dataclass(slots=True)
class ToldByHand:
    """What one telling came to, in seconds since the outbreak began, and what became of genuine devices."""

    hand: str
    seconds: dict[str, float] = field(default_factory=dict)
    newly_refused: int = 0
    published: Effect | None = None
    rolled_back: Effect | None = None
    held: float = 0.0
    """As the page measured it, from the confirmation."""

    @property
    def as_expected(self) -> bool:
        effects = (self.published, self.rolled_back)
        return self.newly_refused == 3 and all(effect is not None and effect.unharmed for effect in effects)


def tell(live: Live, browser: Any, hand: Mouse, *, genuine: int) -> ToldByHand:
    """Tell it once. Raises ``AssertionError`` where it does not go as it must."""
    story = Outbreak(scene=live.scene, console=cast(Console, None), tell=lambda _at, _text: None, genuine=genuine)
    traffic = Traffic(live.scene.client, tuple(story._devices()))
    for device in traffic.devices:
        if not device.hostile:
            traffic.enrol(device)
    told = ToldByHand(hand.name)
    with opened(browser, live.console, f"/causes?app={OUTBREAK_APP}&by=why&since=5m") as (page, seen):
        # The first rule only warns: what it warns of is among what was accepted.
        hand.use(page.get_by_role("button", name="All", exact=True))
        _see(page, "Compared with")
        harmless = sum(not device.hostile and bool(device.signals) for device in traffic.devices)
        wait_until(lambda: _warned(page) >= harmless, "what harmless devices report", page=page)
        known = _warned(page)
        begin = time.monotonic()

        def note(event: str) -> None:
            told.seconds[event] = round(time.monotonic() - begin, 1)

        for device in traffic.devices:
            if device.hostile:
                traffic.enrol(device)
        with traffic.flowing():
            wait_until(lambda: _warned(page) > known, "the outbreak", page=page)
            note("it shows up")
            _tell(page, hand, story, traffic, told, note)
        assert seen.elsewhere == []
        assert seen.errors == []
    return told


def _tell(page: Any, hand: Mouse, story: Outbreak, traffic: Traffic, told: ToldByHand, note: Any) -> None:
    row = page.locator("table.causes tbody tr", has_text="signal-other").filter(has_text="Refuse these").first
    row.wait_for(timeout=60_000)
    hand.use(row.get_by_role("link", name="Refuse these"))
    apart = page.locator(f'table.apart tr[data-value="{TOOL}"]')
    apart.wait_for(timeout=60_000)
    note("cause found")
    hand.use(apart.get_by_role("link"))
    page.locator("textarea[name=appraisal]").wait_for()
    wait_until(
        lambda: f'contains("{TOOL}")' in page.locator("textarea[name=appraisal]").input_value(), "the rule", page=page
    )
    replay = page.get_by_role("button", name="Replay the draft")
    wait_until(replay.is_enabled, "the linter's consent", page=page)
    note("draft written")
    told.newly_refused = _replayed(page, hand, traffic)
    note("replayed")
    began = time.monotonic()
    hand.use(page.get_by_role("button", name="Publish…"))
    _confirm(page, hand, f"{TOOL} is in the field")
    note("published")
    story._await(traffic, began, Fate.REFUSED, "The hooked devices were still let in")
    told.published = _effect(story, traffic, began, Fate.REFUSED)
    effect = page.locator("ul.effects li[data-held]").first
    effect.wait_for(timeout=90_000)
    told.held = float(effect.get_attribute("data-held") or 0)
    note("seen to hold")
    began = time.monotonic()
    hand.use(page.get_by_role("button", name="Roll back…"))
    _confirm(page, hand, "the story's end")
    note("rolled back")
    story._await(traffic, began, Fate.RENEWED, "The hooked devices did not come back after the rollback")
    told.rolled_back = _effect(story, traffic, began, Fate.RENEWED)
    note("seen to be back")


def _warned(page: Any) -> int:
    """How many enrolments the page counts under the rule that only warns."""
    rows = page.locator("table.causes tbody tr", has_text="signal-other").filter(has_text="nrolment")
    texts = [row.locator("td.number").first.inner_text() for row in rows.all()]
    return sum(int(text.replace(",", "")) for text in texts)


def _replayed(page: Any, hand: Mouse, traffic: Traffic) -> int:
    """Replay until all that happened is recorded, which takes a moment; the keys that would newly be refused."""
    for _ in range(10):
        hand.use(page.get_by_role("button", name="Replay the draft"))
        row = page.locator('tr[data-change="newly-refused"]')
        page.get_by_role("button", name="Replay the draft").wait_for(timeout=60_000)
        row.wait_for(timeout=60_000)
        refused = int(row.get_attribute("data-value") or 0)
        if refused == sum(device.hostile for device in traffic.devices):
            return refused
        page.wait_for_timeout(500)
    return refused


def _confirm(page: Any, hand: Mouse, reason: str) -> None:
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    hand.write(dialog.locator("textarea[name=reason]"), reason)
    hand.use(dialog.locator("button[type=submit]"))
    dialog.wait_for(state="detached", timeout=60_000)


def _effect(story: Outbreak, traffic: Traffic, began: float, fate: Fate) -> Effect:
    calls = [call for call in traffic.since(began, hostile=True) if call.fate is fate]
    return story._effect(traffic, began, 0, min(call.answered for call in calls) - began, 0.0)


def _see(page: Any, text: str) -> None:
    page.get_by_text(text, exact=False).first.wait_for()
