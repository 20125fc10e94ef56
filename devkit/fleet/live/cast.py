"""Who plays whom: one software device for each attested key of a scenario."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from service.detection.sighting import Sighting

from bonafide.operator.registration import DEMO_APPLE_APP_ID
from devkit.devices.android.device import SoftwareAndroid
from devkit.devices.android.key_description import UNVERIFIED, VERIFIED
from devkit.devices.android.releases import RELEASES
from devkit.devices.app_instance import AppInstance
from devkit.devices.apple.generations import GENERATIONS
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.demo_app import (
    DEMO_AGC_APP_ID,
    DEMO_ANDROID_SIGNER,
    DEMO_PACKAGE,
    demo_harmony_signer,
)
from devkit.devices.harmony.device import RELEASES as HARMONY_RELEASES
from devkit.devices.harmony.device import SoftwareHarmony
from devkit.devices.installation import Installation
from devkit.devices.key_store_installation import AndroidInstallation, HarmonyInstallation, Play
from devkit.fleet.known_builds import measurements

_PLATFORMS: Final = {"ios": "apple", "macos": "apple", "android": "android", "harmony": "harmony"}
_SIGNALS: Final = {"rule:signal-hooking": "hooking", "rule:signal-other": "vpn"}


@dataclass(slots=True)
class Player:
    """A device on the stage. ``body`` is the last renewal that it sent, ``request_keys`` those that its copies have."""

    installation: AppInstance
    enrolled: bool = False
    next_challenge: str = ""
    body: Mapping[str, Any] | None = None
    request_keys: dict[str, ec.EllipticCurvePrivateKey] = field(default_factory=dict)

    def take_request_key(self, name: str) -> None:
        """Sign requests as the instance of this name does: the first is the device's own, others are copies'."""
        if not self.request_keys:
            self.request_keys[name] = self.installation.request_key
        elif name not in self.request_keys:
            self.request_keys[name] = ec.generate_private_key(ec.SECP256R1())
        self.installation.request_key = self.request_keys[name]

    def count(self, counter: int) -> None:
        """Have an iPhone's next assertion be number ``counter``: copies of an app count each for itself."""
        if isinstance(self.installation, Installation):
            self.installation.phone.keys[self.installation.key_id].counter = counter - 1


@dataclass(frozen=True, slots=True)
class Cast:
    """Makes devices of one app under the test root. ``build_of`` says what a scenario's build is called here; an app
    with known builds is ``measured``. ``play`` has Androids send a verdict of Google's."""

    authority: DeviceAuthority
    app: str
    build_of: Callable[[str], str] = str
    measured: bool = False
    play: Play = Play.NONE

    def player(self, seen: Sighting) -> Player:
        """A device whose decisions look like this one."""
        if seen.platform == "android":
            return Player(self._android(seen))
        if seen.platform == "harmony":
            phone = SoftwareHarmony(
                authority=self.authority.harmony,
                bundle_name=DEMO_PACKAGE,
                signer=demo_harmony_signer(),
                agc_app_id=DEMO_AGC_APP_ID,
                release=HARMONY_RELEASES["harmony-6"],
            )
            return Player(HarmonyInstallation.fresh(self.app, phone))
        iphone = SoftwareIphone(
            authority=self.authority,
            app_id=DEMO_APPLE_APP_ID,
            generation=GENERATIONS["ios-26"],
            bundle_version=self._build(seen),
        )
        return Player(Installation.fresh(self.app, iphone))

    def client_data(self, player: Player, challenge: str, seen: Sighting) -> bytes:
        """What the app says of itself, as it was seen."""
        said: dict[str, object] = {"app_build": self._build(seen), "os": seen.os, "model": seen.model}
        if self.measured:
            said["measurements"] = measurements(_PLATFORMS[seen.platform], self._build(seen))
        signals = [_SIGNALS[seen.why]] if seen.why in _SIGNALS else []
        return player.installation.client_data(challenge, signals=signals, **said)

    def _android(self, seen: Sighting) -> AndroidInstallation:
        release, number = RELEASES["pixel-5" if seen.issuer_kind == "factory" else "galaxy-s24"], _number(seen.issuer)
        line = (
            self.authority.android.factory_line(release.environment, number=number)
            if seen.issuer_kind == "factory"
            else None
        )
        locked = seen.why != "rule:android-unlocked"
        phone = SoftwareAndroid(
            authority=self.authority.android,
            package=DEMO_PACKAGE,
            signer=bytes(32) if seen.signer == "other" else DEMO_ANDROID_SIGNER,
            version_code=int(self._build(seen)) if self._build(seen).isdigit() else 1,
            release=release,
            locked=locked,
            boot_state=VERIFIED if locked else UNVERIFIED,
            line=line,
            device=number,
        )
        return AndroidInstallation.fresh(self.app, phone, play=self.play)

    def _build(self, seen: Sighting) -> str:
        return self.build_of(seen.app_build)


def _number(issuer: str) -> int:
    """The number by which the test root knows a device, or a batch."""
    return int.from_bytes(sha256(issuer.encode()).digest()[:6])


def sighting_text(seen: Sighting) -> str:
    """What another process needs to know of a sighting, as JSON."""
    names = ("platform", "app_build", "os", "model", "issuer", "issuer_kind", "signer", "why", "key_id")
    return json.dumps({name: getattr(seen, name) for name in names})


def sighting_of(text: str) -> Sighting:
    """Inverse of :func:`sighting_text`, as far as it goes."""
    members = json.loads(text)
    return Sighting(at=0.0, app="", source="", outcome="", proved=True, country="", **members)
