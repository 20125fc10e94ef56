"""An app whose builds are known: the genuine ones, and what attackers make of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from attestation.errors import Reason
from service.errors import Reason as ServiceReason

from bonafide.operator.known_builds import Build
from bonafide.operator.registration import DEMO_APPLE_APP_ID, Registration
from devkit.devices.app_instance import AppInstance
from devkit.devices.client import Answer
from devkit.devices.demo_app import DEMO_AGC_APP_ID, DEMO_ANDROID_SIGNER, DEMO_PACKAGE, demo_harmony_app_id
from devkit.fleet.scenario import CREATED, OK, REJECTED, Scene, WrongContent, genuine, hostile, scenarios_in

BUILDS_APP: Final = "demo-known-builds"
"""A registration of the demo app with known builds: 41 and 42 are known, 42 is the oldest still accepted."""


def _digest(part: str, build: str) -> str:
    return sha256(f"{part} of the demo app's build {build}".encode()).hexdigest()


_PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "android": ("classes.dex", "classes2.dex", "lib/arm64-v8a/libdemo.so", "assets"),
    "apple": ("text:Demo", "main.jsbundle"),
    "harmony": ("ets/modules.abc", "libs/arm64-v8a/libdemo.so", "resources"),
}

REGISTRATION: Final = Registration(
    app=BUILDS_APP,
    apple_app_ids=(DEMO_APPLE_APP_ID,),
    android_packages=(DEMO_PACKAGE,),
    android_signing_digests=(DEMO_ANDROID_SIGNER.hex(),),
    harmony_bundle_names=(DEMO_PACKAGE,),
    harmony_app_ids=(demo_harmony_app_id(), DEMO_AGC_APP_ID),
    minimum_builds=dict.fromkeys(_PARTS, "42"),
)


def measurements(platform: str, build: str) -> dict[str, str]:
    """What the genuine app measures of itself."""
    return {part: _digest(part, build) for part in _PARTS[platform]}


BUILDS: Final = tuple(
    Build(
        platform=platform,
        build=build,
        version_name=f"1.{build}",
        parts={part: (digest,) for part, digest in measurements(platform, build).items()},
    )
    for platform in _PARTS
    for build in ("41", "42")
)
"""The known builds, on every platform."""


def _attest(scene: Scene, installation: AppInstance, platform: str, build: str = "42", **client_data: Any) -> Answer:
    said = {"app_build": build, "measurements": measurements(platform, build), **client_data}
    return scene.attest(installation, **said)


def _told(answer: Answer, *advice: str) -> Answer:
    """The answer, if it advises the app so and in no other way."""
    said = answer.json.get("advice", [])
    if answer.status == 403 and said != list(advice):
        raise WrongContent(f"the app is advised {said}, not {list(advice)}")
    return answer


def _android(scene: Scene, build: int = 42, **changes: Any) -> AppInstance:
    return scene.android(app=BUILDS_APP, version_code=build, **changes)


@genuine("SM-S921B, Android 14", "a known build that measures itself: attests, reads, renews", CREATED, OK, OK)
def _known(scene: Scene) -> Iterator[Answer]:
    phone = _android(scene)
    answer = _attest(scene, phone, "android")
    yield answer
    yield scene.whoami(phone, answer.text("token"), tier="affirming")
    yield scene.renew(phone, app_build="42", measurements=measurements("android", "42"))


@genuine("iPhone18,1, iOS 26.1", "a known build that measures its code: affirming", CREATED, OK)
def _known_on_ios(scene: Scene) -> Iterator[Answer]:
    phone = scene.install(app=BUILDS_APP)
    answer = _attest(scene, phone, "apple")
    yield answer
    yield scene.whoami(phone, answer.text("token"), tier="affirming")


@genuine("SM-S921B, Android 14", "a build not yet registered: a warning, no refusal", CREATED, OK)
def _unknown(scene: Scene) -> Iterator[Answer]:
    phone = _android(scene, 43)
    answer = _attest(scene, phone, "android", "43")
    yield answer
    yield scene.whoami(phone, answer.text("token"), tier="warning")


@hostile("Android, repackaged", "another signer, measurements copied from the genuine build",
         REJECTED.because(Reason.SIGNER_MISMATCH))  # fmt: skip
def _repackaged(scene: Scene) -> Iterator[Answer]:
    yield _told(_attest(scene, _android(scene, signer=bytes(32)), "android"))


@hostile("Android, code modified", "one dex file differs: told to reinstall",
         REJECTED.because(ServiceReason.APPRAISAL_CONTRAINDICATED))  # fmt: skip
def _modified_dex(scene: Scene) -> Iterator[Answer]:
    changed = measurements("android", "42") | {"classes2.dex": "00" * 32}
    yield _told(_attest(scene, _android(scene), "android", measurements=changed), "reinstall-app")


@hostile("Android, code added", "enrols soundly, then renews with a gadget library loaded", CREATED,
         REJECTED.because(ServiceReason.APPRAISAL_CONTRAINDICATED))  # fmt: skip
def _added_library(scene: Scene) -> Iterator[Answer]:
    phone = _android(scene)
    yield _attest(scene, phone, "android")
    loaded = measurements("android", "42") | {"lib/arm64-v8a/libgadget.so": "00" * 32}
    yield _told(scene.renew(phone, app_build="42", measurements=loaded), "reinstall-app")


@hostile("Android, downgraded", "a genuine old build that calls itself the new one: told to update",
         REJECTED.because(ServiceReason.APPRAISAL_CONTRAINDICATED))  # fmt: skip
def _downgraded(scene: Scene) -> Iterator[Answer]:
    # The hardware's statement names build 41, whatever the client data says; its measurements are its own.
    old = measurements("android", "41")
    yield _told(_attest(scene, _android(scene, 41), "android", measurements=old), "update-app")


@hostile("iPhone, downgraded", "a genuine old build says so: told to update",
         REJECTED.because(ServiceReason.APPRAISAL_CONTRAINDICATED))  # fmt: skip
def _downgraded_on_ios(scene: Scene) -> Iterator[Answer]:
    yield _told(_attest(scene, scene.install(app=BUILDS_APP), "apple", "41"), "update-app")


@hostile("HarmonyOS, code modified", "its byte code differs: told to reinstall",
         REJECTED.because(ServiceReason.APPRAISAL_CONTRAINDICATED))  # fmt: skip
def _modified_on_harmony(scene: Scene) -> Iterator[Answer]:
    changed = measurements("harmony", "42") | {"ets/modules.abc": "00" * 32}
    yield _told(_attest(scene, scene.harmony(app=BUILDS_APP), "harmony", measurements=changed), "reinstall-app")


SCENARIOS = scenarios_in(globals())
