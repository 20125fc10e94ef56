"""The console on a real local stack: what the tests and the drill in a browser both do."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bonafide.cli.console.console import serving
from bonafide.console.console import Console
from bonafide.operator.deployment import Deployment, from_facts
from bonafide.operator.layout import Layout
from bonafide.operator.registration import Registrations
from devkit.devices.android.key_description import UNVERIFIED
from devkit.devices.authority.authority import DeviceAuthority
from devkit.fleet.drills.outbreak import OUTBREAK_APP, registration
from devkit.fleet.drills.small_traffic import COUNTRY_HEADER
from devkit.fleet.run import entrust_play_secrets, make_scene, register_apps, wake
from devkit.fleet.scenario import Scene
from devkit.local.tally_delivery import DELAY
from devkit.stack.stack import LocalStack
from tests.browser.conftest import opened
from tests.stack_ports import own_ports


@dataclass(frozen=True, slots=True)
class Live:
    """A running stack with its apps registered, its console, and what devices find."""

    deployment: Deployment
    console: Console
    scene: Scene


@contextmanager
def live(folder: Path, *, delay: float = 0.0) -> Iterator[Live]:
    """A stack of its own whose tallies are delivered ``delay`` seconds late."""
    layout = Layout(Layout.of_this_project().root, folder)
    before = os.environ.get(DELAY)
    os.environ[DELAY] = str(delay)
    try:
        stack = LocalStack(layout=layout, ports=own_ports(), parameters={"CountryHeader": COUNTRY_HEADER})
        with stack:
            deployment = from_facts(stack.facts)
            register_apps(deployment)
            Registrations(deployment.aws("dynamodb"), deployment.tables["apps"]).put(registration())
            authority = DeviceAuthority.load_or_create(layout.authority)
            entrust_play_secrets(deployment, authority, layout.service_account)
            scene = make_scene(deployment, authority)
            wake(scene)
            with serving(deployment, layout, app=OUTBREAK_APP) as console:
                yield Live(deployment, console, scene)
    finally:
        if before is None:
            del os.environ[DELAY]
        else:
            os.environ[DELAY] = before


@dataclass(slots=True)
class Hostile:
    """Devices of an attacker's that begin on request: enrolments from phones with unlocked bootloaders."""

    scene: Scene
    app: str
    sent: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def trying(self) -> Iterator[None]:
        """They try until the block ends, two at a time."""
        self._stop.clear()
        with ThreadPoolExecutor(2) as pool:
            for _ in range(2):
                pool.submit(self._try)
            try:
                yield
            finally:
                self._stop.set()

    def _try(self) -> None:
        while not self._stop.is_set():
            phone = self.scene.android(app=self.app, locked=False, boot_state=UNVERIFIED)
            self.scene.attest(phone)
            self.sent += 1
            self._stop.wait(0.1)


def refused_line(page: Any, title: str = "Enrolments refused") -> float:
    """The newest value of a refused line, as its chart says it."""
    chart = page.locator("figure.chart").filter(has=page.locator(".chart-title", has_text=title))
    return float(chart.locator(".key", has_text="refused").locator("b").inner_text())


def measure(live: Live, browser: Any, repetitions: int) -> list[float]:
    """Seconds from the first request of hostile devices until the refused line moves on the page, each time anew."""
    hostile, seconds = Hostile(live.scene, OUTBREAK_APP), list[float]()
    with opened(browser, live.console, f"/now?app={OUTBREAK_APP}&since=5m") as (page, seen):
        page.locator("figure.chart").first.wait_for()
        for number in range(repetitions):
            wait_until(lambda: refused_line(page) == 0, "quiet", page=page)
            page.wait_for_timeout(150 * (number % 13))  # at another moment of buckets and polling each time
            with hostile.trying():
                seconds.append(wait_until(lambda: refused_line(page) > 0, "the refused line", page=page))
        assert seen.elsewhere == []
        assert seen.errors == []
    return seconds


def wait_until(met: Callable[[], bool], what: str, *, seconds: float = 60.0, page: Any = None) -> float:
    """Seconds until it is so; the browser goes on meanwhile."""
    begin = time.monotonic()
    while not met():
        assert time.monotonic() - begin < seconds, f"{what} did not come in {seconds:.0f} s"
        if page is None:
            time.sleep(0.02)
        else:
            page.wait_for_timeout(20)
    return time.monotonic() - begin


class Mouse:
    """An operator who points and clicks."""

    name = "mouse"

    def use(self, locator: Any) -> None:
        """Follow a link, press a button."""
        locator.click()

    def write(self, locator: Any, text: str) -> None:
        """Type into a field."""
        locator.click()
        locator.page.keyboard.type(text)


class Keyboard(Mouse):
    """An operator without a mouse: Tab to what is wanted, then Enter."""

    name = "keyboard"
    MOST = 400

    def use(self, locator: Any) -> None:
        self._reach(locator)
        locator.page.keyboard.press("Enter")

    def write(self, locator: Any, text: str) -> None:
        self._reach(locator)
        locator.page.keyboard.type(text)

    def _reach(self, locator: Any) -> None:
        locator.wait_for()
        for _ in range(self.MOST):
            if locator.evaluate("element => element === document.activeElement"):
                return
            locator.page.keyboard.press("Tab")
        raise AssertionError(f"{locator} is not reached by Tab")
