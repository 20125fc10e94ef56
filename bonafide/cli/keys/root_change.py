"""Changing the root key, as an operator: what to do next, and the steps that the Admin API takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bonafide_tokens.trust_bundle import root_public_key

from bonafide.operator.admin_api import AdminCalls
from bonafide.operator.errors import OperatorError


@dataclass(frozen=True, slots=True)
class Roots:
    """What the Admin API tells of a stack's roots."""

    record: Mapping[str, Any]

    @property
    def signing(self) -> str:
        return str(self.record["signing"])

    @property
    def accepted(self) -> list[str]:
        return list(self.record["accepted"])

    @property
    def newest(self) -> list[str]:
        """The roots of the newest set."""
        return list(self.record["newest"]["roots"])

    def every(self) -> list[str]:
        """Each root that counts anywhere, once."""
        return list(dict.fromkeys([self.signing, *self.accepted, *self.newest]))

    def unsigned(self) -> int:
        """How many active client policies the root that signs has not signed."""
        signed: Mapping[str, int] = self.record["client_policies_signed_by"]
        return sum(number for root, number in signed.items() if root != self.signing)

    def built_in(self) -> dict[str, object]:
        """The root set for builds of apps from now on."""
        jwks = [root_public_key(root).to_jwk() for root in self.newest]
        return {"version": self.record["newest"]["version"], "roots": jwks}

    def next_step(self) -> str:
        """What to do now, in a sentence; each step needs the one before it."""
        accepted, newest = set(self.accepted), set(self.newest)
        if self.signing not in newest:
            return (
                "Apps do not know the root that signs: deploy the stack with the one before, then `bonafide root add`."
            )
        if accepted - newest and newest == {self.signing} and self.record["newest"]["version"] > 1:
            return (
                "Deploy the stack without the old root (RootKeyKind=multi-region), then every gate with RootPublicKey."
            )
        if accepted - newest:
            return "`bonafide root add`: apps then know both roots."
        if newest - accepted:
            return "Apps know a root that gates do not: deploy the stack with it, or `bonafide root drop`."
        if len(accepted) == 1:
            return "Nothing: one root signs, and gates and apps know it."
        if self.signing == self.newest[0] and not self.unsigned():
            return (
                f"Deploy every gate with ROOT_PUBLIC_KEY={','.join(self.accepted)}, then the stack "
                "so that the new root signs (RootKeyKind=sign-multi-region); `bonafide root sign-with --gates-know`."
            )
        if self.unsigned():
            return (
                f"`bonafide root sign-with --gates-know`: {self.unsigned()} client policies are signed by another root."
            )
        return "`bonafide root drop`, when an hour has passed: apps then know the new root alone."


@dataclass(frozen=True, slots=True)
class RootChange:
    """The steps of a change, by the Admin API. Each raises :class:`~bonafide.operator.errors.OperatorError`."""

    api: AdminCalls

    def roots(self) -> Roots:
        """The roots as they are."""
        return Roots(self.api.call("GET", "/admin/root-sets"))

    def add(self, why: str) -> dict[str, Any]:
        """Make the set that has every root which the deployment accepts."""
        roots = self.roots()
        added = [root for root in roots.accepted if root not in roots.newest]
        if not added:
            raise OperatorError(f"Gates accept no root that apps do not know. {roots.next_step()}")
        return self._make(roots, [*roots.newest, *added], why)

    def sign_with(self, why: str) -> int:
        """Sign active client policies anew; how many were."""
        signed = 0
        while True:
            done = self.api.call("POST", "/admin/root-sets/signatures", {"why": why})
            signed += int(done["signed"])
            if not done["left"]:
                return signed
            if not done["signed"]:
                raise OperatorError(f"{done['left']} client policies could not be signed: try again.")

    def drop(self, why: str, *, at_once: bool = False) -> dict[str, Any]:
        """Make the set that has the root which signs, and no other."""
        roots = self.roots()
        if roots.newest == [roots.signing]:
            raise OperatorError(f"Apps know one root already. {roots.next_step()}")
        return self._make(roots, [roots.signing], why, at_once=at_once)

    def _make(self, roots: Roots, wanted: list[str], why: str, *, at_once: bool = False) -> dict[str, Any]:
        body = {"version": roots.record["newest"]["version"] + 1, "roots": wanted, "at_once": at_once, "why": why}
        return self.api.call("POST", "/admin/root-sets", body)
