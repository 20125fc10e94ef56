"""A keeper of the bundle with servers and a clock that are variables."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from bonafide_tokens.errors import Reason
from bonafide_tokens.gate.bundle_client import BundleAnswer
from bonafide_tokens.gate.bundle_keeper import BundleKeeper
from bonafide_tokens.trust_bundle import TrustBundle, open_trust_bundle

from tests.unit.gate.stand import ISSUER, NOW, bundle, public_key, signed


class Server:
    """A bundle server in memory. ``says`` is what it answers; with ``gate`` it waits to be let go."""

    def __init__(self) -> None:
        self.says: str | Exception | None = signed(bundle())
        self.etags: list[str | None] = []
        self.seconds = 0.0
        self.held: threading.Event | None = None

    def __call__(self, etag: str | None, timeout: float) -> BundleAnswer:
        self.etags.append(etag)
        self.seconds = timeout
        says, held = self.says, self.held
        if held is not None:
            held.wait(5)
        if isinstance(says, Exception):
            raise says
        return BundleAnswer(says, f'"{len(self.etags)}"')

    @property
    def fetches(self) -> int:
        return len(self.etags)


class Keeping:
    """A keeper, its server and its clock."""

    def __init__(
        self, server: Server, wait: float, elapsed: Callable[[], float] | None = None, *others: Server
    ) -> None:
        self.server = server
        self.now = NOW
        self.notes: list[tuple[Reason | None, str]] = []
        self.keeper = BundleKeeper(
            fetches=[(str(number), one) for number, one in enumerate((server, *others), 1)],
            open_bundle=partial(open_trust_bundle, root_key=public_key("root"), issuer=ISSUER),
            skew=5.0,
            clock=lambda: self.now,
            note=lambda reason, detail: self.notes.append((reason, detail)),
            wait=wait,
            wait_without_bundle=wait,
            elapsed=elapsed,
        )

    def current(self, now: float) -> TrustBundle | None:
        self.now = now
        return self.keeper.current(now)

    def version(self, now: float) -> int | None:
        held = self.current(now)
        return None if held is None else held.version

    def settle(self) -> None:
        """Let a refresh beside the request finish."""
        for thread in threading.enumerate():
            if thread.name == "trust-bundle":
                thread.join(5)
