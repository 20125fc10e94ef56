"""Changing the root key, step by step: each step is refused until the one before it is done (docs/root-keys.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from attestation.client_policy import open_client_policy
from attestation.errors import RejectedEvidence
from bonafide_tokens.errors import Malformed
from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.trust_bundle import MOST_ROOTS

from service.errors import ChangeRefused, Overtaken, Unavailable
from service.fallback_modes import PolicyApproval
from service.keys.kms import RootKey
from service.person import may_be_one_person, may_propose_and_approve
from service.policies.store import DynamoDBPolicies, PolicyHead, StoredPolicy
from service.regions.administered import AdministeredRegions
from service.roots.accepted import root_text
from service.roots.root_set import StoredRootSet, sign_anew, sign_root_set, signer_of
from service.roots.root_sets_table import DynamoDBRootSets
from service.tables.apps import AppNames
from service.tables.audit import AuditEntry, app_subject
from service.tables.trust_bundles import TrustBundles

SUBJECT: Final = "root-sets"
"""The subject of audit entries about root sets."""

PAUSE: Final = 3600
"""Seconds between a set and the one that drops a root of it, unless an operator has no time: what was served before
has left every cache, and a mistake is noticed while the old root still counts."""


class SecondRootPersonNeeded(ChangeRefused):
    """The two-person rule: this person cannot do it alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootChanges:
    """The root sets of one ``issuer``. ``accepted`` are the roots of this deployment, the one that signs first, as
    ``signing`` does."""

    sets: DynamoDBRootSets
    policies: DynamoDBPolicies
    apps: AppNames
    trust_bundles: TrustBundles
    signing: RootKey
    accepted: tuple[EcPublicKey, ...]
    issuer: str
    approval: PolicyApproval
    regions: AdministeredRegions | None = None

    def newest(self) -> StoredRootSet:
        """The newest set. Before any transition it is the first, with which apps are built: the root that signs, or
        another one by which client policies are signed still. The mistake: the new root signs before apps know it, and
        would pass for the one that they were built with."""
        newest = self.sets.newest()
        if newest is not None:
            return newest
        signed, texts = self.signers(), list(map(root_text, self.accepted))
        first = next((root for root in texts[1:] if signed[root]), texts[0])
        return StoredRootSet(version=1, roots=(first,), by="", why="what apps are built with", at=0)

    def add(
        self, version: int, roots: Sequence[str], *, at_once: bool = False, who: str, why: str, now: float
    ) -> StoredRootSet:
        """Make the transition to ``version``, or under the two-person rule propose it: the same from a second person
        makes it. Raises :class:`~service.errors.ChangeRefused`, and :class:`~service.errors.Unavailable`."""
        newest = self.newest()
        wish = StoredRootSet(version=version, roots=tuple(roots), by=who, why=why, at=int(now))
        self._check(wish, newest, at_once=at_once, now=now)
        author = self._author(wish)
        if author is None:
            self.sets.propose(wish, self._entry("propose-root-set", wish, now))
            return wish
        jws = sign_root_set(version, wish.public_keys(), issuer=self.issuer, now=now, sign=self.signing.sign)
        if signer_of(jws, self.accepted[:1]) is None:
            raise Unavailable("kms:Sign: by another root than this deployment says; one may be under way")
        made = replace(wish, jws=jws)
        proposed_by = {} if author == who else {"proposed_by": author}
        if not self.sets.add(made, newest, self._entry("add-root-set", made, now, **proposed_by)):
            raise Overtaken("Another operator changed the root set at the same moment: look at `bonafide root status`.")
        return made

    def sign_regions(self, *, who: str, why: str, now: float) -> None:
        """Make the next epoch of the region document, with the same content, where another root signed the newest."""
        regions = self.regions
        if regions is None or not self._regions_signed_by_another(self.accepted[:1]):
            return
        known = regions.newest()
        if known is not None:
            document = replace(known, epoch=known.epoch + 1, issued_at=int(now))
            details: dict[str, str | int] = {"epoch": document.epoch, "root": root_text(self.accepted[0])}
            entry = AuditEntry(subject=SUBJECT, at=now, who=who, action="sign-regions-anew", why=why, details=details)
            if not regions.publish(document, entry):
                raise Overtaken("Another operator changed the regions at the same moment: try again.")

    def sign_active(self, *, who: str, why: str, now: float, go_on: Callable[[], bool]) -> tuple[int, int]:
        """Sign anew every active client policy that another accepted root signed, for as long as ``go_on`` says so. How
        many were signed, and how many are left. Raises :class:`~service.errors.ChangeRefused` at the first row that
        holds no such policy."""
        newest, signing = self.newest(), self.accepted[0]
        if root_text(signing) not in newest.roots:
            raise ChangeRefused(
                f"Apps of root set {newest.version} do not know the root that signs: `bonafide root add` comes first."
            )
        self.sign_regions(who=who, why=why, now=now)
        done = left = 0
        for head, stored in self._active():
            if signer_of(stored.client_jws, [signing]) is not None:
                continue
            if not go_on():
                left += 1
                continue
            self._require_policy(head.app, stored, now)
            anew = sign_anew(stored.client_jws, self.signing.sign)
            details: dict[str, str | int] = {"version": stored.version, "root": root_text(signing)}
            entry = AuditEntry(
                subject=app_subject(head.app), at=now, who=who, action="sign-policy-anew", why=why, details=details
            )
            current = self.policies.head(head.app)
            signed = self.policies.sign_anew(current, stored.version, before=stored.client_jws, after=anew, entry=entry)
            done, left = done + signed, left + (not signed)
        return done, left

    def signers(self) -> dict[str, int]:
        """How many active client policies each accepted root signed; "" for other keys."""
        found = {root_text(root): 0 for root in self.accepted}
        for _, stored in self._active():
            by = signer_of(stored.client_jws, self.accepted)
            name = "" if by is None else root_text(by)
            found[name] = found.get(name, 0) + 1
        return found

    def bundle_signer(self) -> str:
        """The accepted root that signed the latest trust bundle; empty for none."""
        latest = self.trust_bundles.latest(self.issuer)
        by = None if latest is None else signer_of(latest.jws, self.accepted)
        return "" if by is None else root_text(by)

    def _require_policy(self, app: str, stored: StoredPolicy, now: float) -> None:
        """Refuse a text that is not this app's client policy of this version, by an accepted root.

        The attack: write access to the policies table, and none to the root. A trust bundle with a signature of zeros
        in the row would come back with the root's own.
        """
        try:
            policy = open_client_policy(
                stored.client_jws, root_keys=self.accepted, issuer=self.issuer, app=app, newest_seen=0, now=now
            )
        except RejectedEvidence as error:
            why = error.detail
        else:
            if policy.version == stored.version:
                return
            why = "another version's client policy"
        raise ChangeRefused(
            f"What app {app} serves as client policy {stored.version} is not signed anew: {why}. See its audit, and "
            "publish the policy again."
        )

    def _check(self, wish: StoredRootSet, newest: StoredRootSet, *, at_once: bool, now: float) -> None:
        try:
            points = {root.point for root in wish.public_keys()}
        except Malformed:
            raise ChangeRefused(
                "A root is no P-256 point in base64url: see the stack's output RootPublicKey."
            ) from None
        if len(points) != len(wish.roots) or not 1 <= len(points) <= MOST_ROOTS:
            raise ChangeRefused(f"A root set has 1 to {MOST_ROOTS} different roots.")
        if wish.version != newest.version + 1:
            raise ChangeRefused(f"Root set {newest.version} is the newest, so the next one is {newest.version + 1}.")
        accepted, signing = set(map(root_text, self.accepted)), root_text(self.accepted[0])
        added, dropped = set(wish.roots) - set(newest.roots), set(newest.roots) - set(wish.roots)
        if not added and not dropped:
            raise ChangeRefused(f"Root set {newest.version} has just these roots.")
        if not set(wish.roots) <= accepted:
            raise ChangeRefused("This deployment does not accept one of the roots: deploy the stack with it first.")
        if signing not in newest.roots:
            raise ChangeRefused(
                f"Apps of root set {newest.version} do not know the root that signs: go back to the one before, add "
                "the new one to the set, and then sign by it."
            )
        if signing not in wish.roots:
            raise ChangeRefused("The root that signs cannot be dropped: deploy the stack with another one that signs.")
        if dropped:
            self._check_drop(dropped, newest, at_once=at_once, now=now)

    def _check_drop(self, dropped: set[str], newest: StoredRootSet, *, at_once: bool, now: float) -> None:
        held = {name: number for name, number in self.signers().items() if number and (not name or name in dropped)}
        if held:
            raise ChangeRefused(
                f"{sum(held.values())} active client policies are signed by a root that would be dropped: "
                "`bonafide root sign-with` comes first."
            )
        if self._regions_signed_by_another([root for root in self.accepted if root_text(root) not in dropped]):
            raise ChangeRefused(
                "The region document is signed by a root that would be dropped: `bonafide root sign-with` comes first."
            )
        if self.bundle_signer() in {"", *dropped}:
            raise ChangeRefused("The latest trust bundle is not signed by a root that stays: wait for the next one.")
        wait = newest.at + PAUSE - now
        if wait > 0 and not at_once:
            raise ChangeRefused(
                f"Root set {newest.version} is {(now - newest.at) / 60:.0f} minutes old: a root is dropped an hour "
                "after it at the earliest, or --at-once."
            )

    def _author(self, wish: StoredRootSet) -> str | None:
        """Who proposed what is to be made: the caller alone, or another person; ``None`` while one is needed."""
        if self.approval is PolicyApproval.OFF:
            return wish.by
        if not may_propose_and_approve(wish.by):
            raise SecondRootPersonNeeded(f"{wish.by} names no person, so it can neither propose nor approve.")
        proposed = self.sets.find(-wish.version)
        if proposed is None or proposed.roots != wish.roots or may_be_one_person(proposed.by, wish.by):
            return None
        return proposed.by

    def _regions_signed_by_another(self, roots: Sequence[EcPublicKey]) -> bool:
        text = None if self.regions is None else self.regions.documents.newest()
        return text is not None and signer_of(text, roots) is None

    def _active(self) -> Iterator[tuple[PolicyHead, StoredPolicy]]:
        for app in self.apps.names():
            head = self.policies.head(app)
            for version in {head.stable, *(() if head.canary is None else (head.canary.version,))}:
                stored = self.policies.find(app, version)
                if stored is not None and stored.has_client:
                    yield head, stored

    def _entry(self, action: str, made: StoredRootSet, now: float, **details: str | int) -> AuditEntry:
        named: dict[str, str | int] = {"version": made.version, "roots": ",".join(made.roots), **details}
        return AuditEntry(subject=SUBJECT, at=now, who=made.by, action=action, why=made.why, details=named)
