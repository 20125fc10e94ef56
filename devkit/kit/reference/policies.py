"""The client policy of the reference client: fetched when it is due, taken by the root set, never back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from attestation.client_policy import SignedClientPolicy
from attestation.errors import RejectedEvidence

from devkit.client_core.enforced_policy import NOTHING_ENFORCED, EnforcedPolicy
from devkit.client_core.roots import MOST_STEPS, RootSet, RootSetRefused, along_chain, next_root_set
from devkit.client_core.taken_policy import TakenPolicy, take_policy
from devkit.client_core.waits import jitter
from devkit.kit.reference import errors
from devkit.kit.reference.app import App
from devkit.kit.reference.errors import Shown

GO_AGAIN: Final = 3600.0
"""Seconds between two goes for root sets that a document asked for."""

USUAL_GO: Final = 7 * 86_400.0


@dataclass
class Policies:
    """What ``app`` enforces. Times are of the monotonic clock, but for the record's."""

    app: App
    held: SignedClientPolicy | None = None
    rules: EnforcedPolicy = NOTHING_ENFORCED
    roots: RootSet = field(init=False)
    _looked_at: float | None = None
    _not_before: float = 0.0
    _refusals: int = 0
    _last_go: float | None = None

    def __post_init__(self) -> None:
        app, record = self.app, self.app.record
        self.roots = along_chain(app.built_in_roots, record.root_sets, issuer=app.config["issuer"], now=self._latest())
        if record.policy:
            try:
                self._hold(self._open(record.policy))
            except RejectedEvidence:
                pass  # storage that was written to: what is newest stays known

    def look(self) -> None:
        """Ask for the policy where that is due, and take what is good."""
        mono, app = self.app.device.monotonic(), self.app
        newer = app.told_version > app.record.newest_policy
        due = self._looked_at is None or mono - self._looked_at >= self.rules.refresh_seconds
        if (not due and not newer) or mono < self._not_before:
            return
        install = app.record.key_id or "none-yet"
        headers = {"If-None-Match": app.record.etag} if app.record.etag and self.held is not None else {}
        path = f"/v1/client-policies/{quote(app.config['app'], safe='')}?install={quote(install, safe='')}"
        reply, _ = app.verifier("GET", path, headers=headers)
        if reply.status == 200:
            self._answered(self._take(reply.text, reply.headers.get("etag", "")))
        elif reply.status == 304 and headers:
            self._confirm()
            self._answered(good=True)
        else:
            self._answered(reply.status == 404 and self.held is None)

    def require(self, feature: str | None) -> None:
        """Raise :class:`Shown` where the policy stops this work."""
        rules, config = self.rules, self.app.config
        if self.held is None:
            return
        if rules.must_be_current and self._latest() - self.app.record.confirmed_at > rules.stale_after:
            raise Shown(errors.STOPPED_STALE)
        if not rules.allows_build(config["platform"], config["app_build"]):
            raise Shown(errors.STOPPED_BUILD)
        if feature is not None and feature in rules.features_off:
            raise Shown(errors.STOPPED_FEATURE)

    def stopped(self) -> bool:
        """Whether all work is stopped."""
        try:
            self.require(None)
        except Shown:
            return True
        return False

    def _answered(self, good: bool) -> None:
        mono = self.app.device.monotonic()
        if good:
            self._looked_at, self._refusals, self._not_before = mono, 0, mono
        else:
            self._refusals += 1
            self._not_before = mono + jitter(self._refusals, self.app.chance.random)

    def _take(self, jws: str, etag: str) -> bool:
        try:
            taken = self._open(jws)
        except RejectedEvidence:
            if not self._follow():
                return False
            try:
                taken = self._open(jws)
            except RejectedEvidence:
                return False
        record = self.app.record
        record.policy, record.etag = jws, etag
        self._hold(taken)
        self._confirm()
        return True

    def _hold(self, taken: TakenPolicy) -> None:
        self.held, self.rules = taken.policy, taken.rules
        self.app.record.newest_policy = max(self.app.record.newest_policy, taken.policy.version)

    def _confirm(self) -> None:
        self.app.record.confirmed_at = self._latest()
        self.app.save()

    def _open(self, jws: str) -> TakenPolicy:
        app = self.app
        return take_policy(
            jws,
            root_set=self.roots,
            issuer=app.config["issuer"],
            app=app.config["app"],
            held=self.held,
            newest_seen=app.record.newest_policy,
            now=self._latest(),
        )

    def _follow(self) -> bool:
        """Ask for the root sets after the present one. Whether there was one."""
        app, mono = self.app, self.app.device.monotonic()
        if self._last_go is not None and mono - self._last_go < GO_AGAIN:
            return False
        self._last_go, before = mono, self.roots.version
        for _ in range(MOST_STEPS):
            reply, _ = app.verifier("GET", f"/v1/root-sets/{self.roots.version + 1}")
            if reply.status != 200:
                break
            try:
                self.roots = next_root_set(self.roots, reply.text, issuer=app.config["issuer"], now=self._latest())
            except RootSetRefused:
                break
            app.record.root_sets.append(reply.text)
            app.save()
        return self.roots.version > before

    def _latest(self) -> float:
        """The latest time that the clock ever showed: setting it back makes no policy young."""
        record = self.app.record
        record.latest_clock = max(record.latest_clock, self.app.now())
        return record.latest_clock
