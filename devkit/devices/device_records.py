"""Software installations as JSON records and back: what a device store keeps of each platform's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devkit.devices.android.device import SoftwareAndroid
from devkit.devices.android.releases import RELEASES as ANDROID_RELEASES
from devkit.devices.app_instance import AppInstance
from devkit.devices.apple.generations import GENERATIONS
from devkit.devices.apple.iphone import AppAttestKey, SoftwareIphone
from devkit.devices.authority.authority import DeviceAuthority, key_from_pem, key_to_pem
from devkit.devices.demo_app import DEMO_AGC_APP_ID, demo_harmony_signer
from devkit.devices.fake_google import SoftwareGoogle
from devkit.devices.harmony.device import RELEASES as HARMONY_RELEASES
from devkit.devices.harmony.device import SoftwareHarmony
from devkit.devices.installation import Installation
from devkit.devices.key_store_installation import AndroidInstallation, HarmonyInstallation
from devkit.devices.pass_installation import PassInstallation

Record = Mapping[str, Any]


def record_of(device: AppInstance) -> dict[str, Any]:
    """The record of an installation, private keys included."""
    match device:
        case Installation():
            key = device.phone.keys[device.key_id]
            return {
                "app": device.app,
                "app_id": device.phone.app_id,
                "generation": device.phone.generation.name,
                "development": device.phone.development,
                "category": device.phone.category,
                "bundle_version": device.phone.bundle_version,
                "attested_key": {"private_key": key_to_pem(key.private_key), "counter": key.counter},
                "request_key": key_to_pem(device.request_key),
            }
        case AndroidInstallation():
            return {
                "platform": "android",
                "app": device.app,
                "package": device.phone.package,
                "signer": device.phone.signer.hex(),
                "version_code": device.phone.version_code,
                "release": _android_name(device.phone),
                "attested_key": key_to_pem(device.attested_key),
                "request_key": key_to_pem(device.request_key),
            }
        case HarmonyInstallation():
            return {
                "platform": "harmony",
                "app": device.app,
                "bundle_name": device.device.bundle_name,
                "build": device.build,
                "release": device.device.release.name,
                "attested_key": key_to_pem(device.attested_key),
                "request_key": key_to_pem(device.request_key),
            }
        case PassInstallation():
            return {
                "platform": "pass",
                "app": device.app,
                "of_platform": device.of_platform,
                "build": device.build,
                "request_key": key_to_pem(device.request_key),
            }
        case _:
            raise TypeError(f"a {type(device).__name__} is not kept")


def installation_of(record: Record, authority: DeviceAuthority) -> AppInstance:
    """The installation of a record. Raises ``KeyError``, ``TypeError`` and ``ValueError`` for anything else."""
    match record.get("platform", "apple"):
        case "apple":
            return _iphone(record, authority)
        case "android":
            android = SoftwareAndroid(
                authority=authority.android,
                package=record["package"],
                signer=bytes.fromhex(record["signer"]),
                version_code=record["version_code"],
                release=ANDROID_RELEASES[record["release"]],
            )
            return AndroidInstallation(phone=android, google=SoftwareGoogle(authority.android), **_keys(record))
        case "harmony":
            harmony = SoftwareHarmony(
                authority=authority.harmony,
                bundle_name=record["bundle_name"],
                signer=demo_harmony_signer(),
                agc_app_id=DEMO_AGC_APP_ID,
                release=HARMONY_RELEASES[record["release"]],
            )
            return HarmonyInstallation(device=harmony, build=record["build"], **_keys(record))
        case "pass":
            return PassInstallation(
                app=record["app"],
                of_platform=record["of_platform"],
                build=record["build"],
                request_key=key_from_pem(record["request_key"]),
            )
        case other:
            raise ValueError(f"no platform {other}")


def _android_name(phone: SoftwareAndroid) -> str:
    return next(name for name, release in ANDROID_RELEASES.items() if release == phone.release)


def _iphone(record: Record, authority: DeviceAuthority) -> Installation:
    phone = SoftwareIphone(
        authority=authority,
        app_id=record["app_id"],
        generation=GENERATIONS[record["generation"]],
        development=record["development"],
        category=record["category"],
        bundle_version=record["bundle_version"],
    )
    key = AppAttestKey(key_from_pem(record["attested_key"]["private_key"]), record["attested_key"]["counter"])
    phone.keys[key.key_id] = key
    return Installation(
        app=record["app"], phone=phone, key_id=key.key_id, request_key=key_from_pem(record["request_key"])
    )


def _keys(record: Record) -> dict[str, Any]:
    return {
        "app": record["app"],
        "attested_key": key_from_pem(record["attested_key"]),
        "request_key": key_from_pem(record["request_key"]),
    }
