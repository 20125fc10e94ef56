"""What one device of the fleet does, and the verdict it must get."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from bonafide.operator.deployment import OrdersBackend
from bonafide.operator.registration import DEMO_APP, DEMO_APPLE_APP_ID, Registration
from devkit.devices.android.device import SoftwareAndroid
from devkit.devices.android.releases import RELEASES as ANDROID_RELEASES
from devkit.devices.app_instance import AppInstance
from devkit.devices.apple.generations import GENERATIONS, AppleGeneration
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.client import Answer, ApiClient
from devkit.devices.demo_app import (
    DEMO_AGC_APP_ID,
    DEMO_ANDROID_SIGNER,
    DEMO_BOOT_KEY,
    DEMO_PACKAGE,
    demo_harmony_app_id,
    demo_harmony_signer,
)
from devkit.devices.harmony.device import RELEASES as HARMONY_RELEASES
from devkit.devices.harmony.device import SoftwareHarmony
from devkit.devices.installation import Installation
from devkit.devices.key_store_installation import AndroidInstallation, HarmonyInstallation
from devkit.fleet.operator_access import OperatorAccess

DEVELOPMENT_APP = "demo-development"
"""A second registration of the same build, for which development builds may enrol."""
STOREFRONT_APP = "demo-storefront"
"""A third one, whose tokens are for the orders backend."""
SIGNALS_APP = "demo-signals"
"""A fourth one, whose policy blocks hooked devices at the gate."""

_DEMO = Registration(
    app=DEMO_APP,
    apple_app_ids=(DEMO_APPLE_APP_ID,),
    android_packages=(DEMO_PACKAGE,),
    android_signing_digests=(DEMO_ANDROID_SIGNER.hex(),),
    android_verified_boot_keys=(DEMO_BOOT_KEY.hex(),),
    harmony_bundle_names=(DEMO_PACKAGE,),
    harmony_app_ids=(demo_harmony_app_id(), DEMO_AGC_APP_ID),
)
REGISTRATIONS = (
    _DEMO,
    Registration(
        app=DEVELOPMENT_APP, apple_app_ids=(DEMO_APPLE_APP_ID,), apple_environments=("production", "development")
    ),
    replace(_DEMO, app=STOREFRONT_APP, audiences=("orders",)),
    replace(_DEMO, app=SIGNALS_APP),
)
"""What the fleet expects to be registered."""


class WrongContent(Exception):
    """The status was right, what the answer says was not. The message says what."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One expected answer: the status and, for a refusal, the slug of its problem type.

    ``reason`` is what the operator must see behind the one face of a refusal; it is compared where the fleet has the
    operator's access.
    """

    status: int
    problem: str | None = None
    reason: str | None = None

    def because(self, reason: StrEnum) -> Expected:
        """The same answer, for that reason and no other."""
        return replace(self, reason=reason.value)

    def met_by(self, answer: Answer, reason: str | None, *, reasons_known: bool) -> bool:
        right_reason = self.reason is None or not reasons_known or self.reason == reason
        right_face = answer.status == self.status and (self.problem is None or answer.problem == self.problem)
        return right_face and right_reason

    def __str__(self) -> str:
        return summary(f"{self.status} {self.problem}" if self.problem else str(self.status), self.reason)


def summary(answer: str, reason: str | None) -> str:
    """``403 evidence-rejected (app-mismatch)``: what the client is told, and what the operator sees."""
    return f"{answer} ({reason})" if reason else answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What every device finds: the stack, the vendors' test root, a stranger's root, and perhaps operator access, the
    orders backend and the proxy."""

    client: ApiClient
    authority: DeviceAuthority
    stranger: DeviceAuthority
    operator: OperatorAccess | None
    orders: OrdersBackend | None = None
    proxy_url: str = ""

    def phone(self, release: str | AppleGeneration = "ios-26", **changes: Any) -> SoftwareIphone:
        """A phone with the demo app on it; ``changes`` are arguments of :class:`SoftwareIphone`."""
        arguments: dict[str, Any] = {
            "authority": self.authority,
            "app_id": DEMO_APPLE_APP_ID,
            "generation": GENERATIONS[release] if isinstance(release, str) else release,
        }
        return SoftwareIphone(**(arguments | changes))

    def install(
        self, release: str | AppleGeneration = "ios-26", *, app: str = DEMO_APP, **changes: Any
    ) -> Installation:
        """A fresh installation of ``app`` on a new phone."""
        return Installation.fresh(app, self.phone(release, **changes))

    def android(self, release: str = "galaxy-s24", *, app: str = DEMO_APP, **changes: Any) -> AndroidInstallation:
        """A fresh installation on an Android phone of its own; ``changes`` are of the phone or of the installation."""
        own = {name: changes.pop(name) for name in ("play", "play_labels") if name in changes}
        arguments: dict[str, Any] = {
            "authority": self.authority.android,
            "package": DEMO_PACKAGE,
            "signer": DEMO_ANDROID_SIGNER,
            "release": ANDROID_RELEASES[release],
            "device": secrets.randbits(32),
        }
        return AndroidInstallation.fresh(app, SoftwareAndroid(**(arguments | changes)), **own)

    def harmony(self, release: str = "harmony-6", *, app: str = DEMO_APP, **changes: Any) -> HarmonyInstallation:
        """A fresh installation on a HarmonyOS device."""
        own = {name: changes.pop(name) for name in ("one_key", "integrity", "kind", "offline") if name in changes}
        arguments: dict[str, Any] = {
            "authority": self.authority.harmony,
            "bundle_name": DEMO_PACKAGE,
            "signer": demo_harmony_signer(),
            "agc_app_id": DEMO_AGC_APP_ID,
            "release": HARMONY_RELEASES[release],
        }
        return HarmonyInstallation.fresh(app, SoftwareHarmony(**(arguments | changes)), **own)

    def attest(self, installation: AppInstance, *, challenge: str | None = None, **client_data: Any) -> Answer:
        """One enrolment, whatever the answer: with a fresh challenge unless one is given."""
        text = self.client.challenge(installation.app) if challenge is None else challenge
        body = installation.attestation_body(installation.client_data(text, **client_data))
        return replace(self.client.post("/v1/attestations", body), key_id=installation.bonafide_key_id)

    def renew(self, installation: AppInstance, *, challenge: str | None = None, **client_data: Any) -> Answer:
        """One renewal, whatever the answer: with a fresh challenge unless one is given."""
        text = self.client.challenge(installation.app) if challenge is None else challenge
        body = installation.renewal_body(installation.client_data(text, **client_data))
        return self.client.post("/v1/tokens", body)

    def token(self) -> tuple[Installation, str]:
        """An enrolled installation and its token, for scenarios that begin there."""
        installation = self.install()
        return installation, self.client.attest(installation).token

    def whoami(self, installation: AppInstance, token: str, *, tier: str | None = None) -> Answer:
        """GET and look: the relying party must see this device and no other, and the tier if one is named."""
        answer = self.client.call("GET", "/v1/whoami", token=token)
        if answer.status == 200:
            seen = (("app", installation.app), ("key_id", installation.bonafide_key_id))
            for name, value in (*seen, ("platform", installation.platform), *((("tier", tier),) if tier else ())):
                if answer.text(name) != value:
                    raise WrongContent(f"whoami shows {answer.text(name) or 'no'} {name}, not {value}")
        return answer


Act = Callable[[Scene], Iterator[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A device, what it does, and the answers it must get, in order.

    ``act`` yields the answers that count; a step before them that fails ends it. ``needs_operator`` marks what can be
    shown only with the operator's access that a local stack gives, ``needs_orders`` what needs the orders backend,
    ``needs_proxy`` the proxy.
    """

    device: str
    does: str
    expected: tuple[Expected, ...]
    act: Act
    hostile: bool = True
    needs_operator: bool = False
    needs_orders: bool = False
    needs_proxy: bool = False


OK = Expected(200)
CREATED = Expected(201)
TAKEN = Expected(202)
UNAUTHORIZED = Expected(401, "unauthorized")
BLOCKED = Expected(403, "blocked")
REJECTED = Expected(403, "evidence-rejected")
KEY_ENROLLED = Expected(409, "key-enrolled")
CHALLENGE_UNUSABLE = Expected(409, "challenge-unusable")
MALFORMED_EVIDENCE = Expected(400, "malformed-evidence")
MALFORMED_REQUEST = Expected(400, "malformed-request")


def hostile(device: str, does: str, *expected: Expected, **needs: bool) -> Callable[[Act], Scenario]:
    """Turns a function into a hostile scenario; ``needs`` are flags of :class:`Scenario`."""
    return _scenario(device, does, expected, hostile=True, **needs)


def genuine(device: str, does: str, *expected: Expected, **needs: bool) -> Callable[[Act], Scenario]:
    """Turns a function into a genuine scenario; ``needs`` are flags of :class:`Scenario`."""
    return _scenario(device, does, expected, hostile=False, **needs)


def scenarios_in(module: Mapping[str, object], *, hostile: bool | None = None) -> tuple[Scenario, ...]:
    """The scenarios of a module's ``globals()``, in the order in which they are written: all, or one kind."""
    written = (value for value in module.values() if isinstance(value, Scenario))
    return tuple(scenario for scenario in written if hostile in (None, scenario.hostile))


def _scenario(device: str, does: str, expected: tuple[Expected, ...], **flags: bool) -> Callable[[Act], Scenario]:
    return lambda act: Scenario(device=device, does=does, expected=expected, act=act, **flags)
