"""Decision records of a population that never was: devices, systems, builds and verdicts as they occur in the field.

Seeded: the same arguments give the same lines, in any order of asking, so that parts can be written in parallel. Facts
are made by the product (``facts_of``) from claims, and verdicts by the default policy; only what changes from one
decision of a device to its next (the counter, the age of a vendor's verdict) is put into the finished line, because a
million lines shall not take longer than their replay.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from attestation.appraisal.builds import BuildComparison, BuildMatch
from attestation.appraisal.cedar.engine import CedarPolicy, default_policy
from attestation.appraisal.facts import Facts, facts_of
from attestation.appraisal.policy import AppraisalContext
from attestation.appraisal.replay.replay import verdict_of
from attestation.appraisal.result import Finding
from attestation.claims import (
    AndroidClaims,
    AppleClaims,
    Claims,
    HarmonyClaims,
    HarmonyIntegrityClaims,
    KeyStorage,
    Platform,
    PlayClaims,
)
from attestation.client_data import ClientData, Signal
from attestation.reference_values import Environment
from bonafide_tokens.jose import EcPublicKey, public_key_from_point
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.minted_claims import minted_claims

APPS = ("bank", "wallet")
START = 1_780_000_000.0
DAY = 86_400.0
_HOUR = 3600
_COUNTER, _AGE = 7_000_000_001, 7_000_000_003  # stand-ins in a line; no fact of ours is as large
_TURN = 20 * _HOUR  # how often an app asks for a new vendor's verdict
_COUNTRIES = ("DE", "FR", "IT", "ES", "PL", "NL", "SE", "AT", "CH", "CZ", "PT", "RO", "BR", "IN", "SG", "US", "")
_BUILDS = ("4102", "4103", "4110", "4117", "4118", "4200", "4201")
_IPHONES = tuple(f"iPhone{generation},{variant}" for generation in range(17, 10, -1) for variant in (1, 2, 3))
_MAKERS = ("Norden", "Kestrel", "Aoba", "Lumen", "Tarn", "Vela", "Ostra", "Pico", "Mira")
_PHONES = tuple(f"{maker} {series}{number}" for number in range(1, 26) for series in "AX" for maker in _MAKERS)
_REFUSED_EARLY = ("challenge-spent", "challenge-expired", "key-unknown", "signature-invalid", "malformed-request")


def _key() -> EcPublicKey:
    private = ec.derive_private_key(7, ec.SECP256R1())
    return public_key_from_point(private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


@dataclass(slots=True)
class Device:
    """One install, with the finished parts of its lines."""

    claims: Claims
    client_data: ClientData
    app: str
    country: str | None
    build: BuildComparison | None
    first_verdict: float | None
    facts: Facts
    facts_text: str = ""
    verdicts: dict[int | None, tuple[str, str, str, str]] = field(default_factory=dict)


class RecordedPopulation:
    """``devices`` installs that make decisions over ``days`` days, from :data:`START` on. ``hooked`` is the share of
    devices whose app reports that it is hooked; the default policy refuses these."""

    def __init__(
        self,
        *,
        seed: int = 6,
        devices: int = 20_000,
        days: float = 7,
        hooked: float = 0.002,
        policy: CedarPolicy | None = None,
    ) -> None:
        self.seed = seed
        self.days = days
        self._hooked = hooked
        self._request_key = _key()
        self._policy = policy or default_policy()
        chance = random.Random(f"{seed} devices")
        self.devices = [self._device(chance, number) for number in range(devices)]

    def lines(self, first: int, last: int, total: int) -> Iterator[str]:
        """Lines ``first`` to ``last`` (exclusive) of ``total``, as the log has them, in the order of time."""
        step = self.days * DAY / total
        for number in range(first, last):
            chance = random.Random(self.seed * 1_000_003 + number)
            device = self.devices[int(len(self.devices) * chance.random() ** 1.5)]  # some are busier than others
            yield self._line(chance, device, START + number * step, number)

    def _line(self, chance: random.Random, device: Device, at: float, number: int) -> str:
        age = None
        if device.first_verdict is not None:
            # Most apps send a new verdict in time; one in fifty devices lives off an old one.
            turn = _TURN if device.claims.public_key[-1] % 50 else 60 * _HOUR
            age = int((at - device.first_verdict) % turn) // _HOUR + 1
        early = chance.random() < 0.004
        event = "enrol" if chance.random() < 0.02 else "renew"
        tier, findings, outcome, code = ("", "[]", "refused", "") if early else self._verdict(device, age)
        reason = chance.choice(_REFUSED_EARLY) if early else "accepted" if outcome == "accepted" else "appraisal-failed"
        facts = ""
        if not early:
            facts = device.facts_text.replace(str(_COUNTER), str(int(at - START) // 300 + 1))
            facts = ',"facts":' + facts.replace(str(_AGE), str(age)).replace('"event":"renew"', f'"event":"{event}"')
        data = device.client_data
        head = {
            "level": "INFO",
            "message": "decision",
            "timestamp": f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S},000+0000",
            "service": "bonafide",
            "action": event,
            "outcome": outcome,
            "reason": reason,
            "detail": "",
            "support_code": code,
            "request_id": f"{number:08x}-0000-4000-8000-{chance.getrandbits(48):012x}",
            "app": device.app,
            "key_id": device.facts.key_id,
            "platform": device.claims.platform.value,
            "app_build": data.app_build,
            "at": round(at, 3),
            "os": data.os,
            "model": data.model,
            "country": device.country or "",
            "tier": tier,
            "policy_version": None if early else 0,
        }
        match = "" if device.build is None or early else device.build.match.value
        text = json.dumps(head, separators=(",", ":"))
        return f'{text[:-1]},"findings":{findings},"build_match":"{match}","differing":[]{facts}}}'

    def _verdict(self, device: Device, age: int | None) -> tuple[str, str, str, str]:
        """Tier, findings, outcome and support code; worked out once for each age of the vendor's verdict."""
        known = device.verdicts.get(age)
        if known is None:
            text = device.facts_text.replace(str(_COUNTER), "1").replace(str(_AGE), str(age))
            findings = self._policy.judge(Facts.from_record(json.loads(text)), now=START)
            verdict = verdict_of(findings)
            accepted = not verdict.refusing
            code = (
                "" if accepted else sha256(f"{device.facts.key_id}{verdict.refusing}".encode()).hexdigest()[:8].upper()
            )
            known = device.verdicts[age] = (
                verdict.tier.value,
                json.dumps([_told(finding) for finding in findings], separators=(",", ":")),
                "accepted" if accepted else "refused",
                code,
            )
        return known

    def _device(self, chance: random.Random, number: int) -> Device:
        kind = chance.choices((Platform.IOS, Platform.MACOS, Platform.ANDROID, Platform.HARMONY), (46, 1, 47, 6))[0]
        make = {Platform.ANDROID: _android, Platform.HARMONY: _harmony}.get(kind, _apple)
        claims, os, model = make(chance, kind, b"\x04" + chance.randbytes(64))
        app_build = chance.choices(_BUILDS, (1, 1, 3, 10, 20, 50, 15))[0]
        signals = [Signal(name) for name, share in _signal_shares(self._hooked) if chance.random() < share]
        client_data = ClientData(
            digest=bytes(32),
            challenge="",
            request_key=self._request_key,
            app_build=app_build,
            os=os,
            model=model,
            measurements={},
            signals=tuple(signals),
            client_policy_version=chance.choice((0, 3, 4)),
        )
        build = None
        if chance.random() < 0.5:
            match = chance.choices((BuildMatch.KNOWN, BuildMatch.UNMEASURED, BuildMatch.UNKNOWN), (96, 3, 1))[0]
            build = BuildComparison(match=match, build=app_build)
        app, country = APPS[number % 3 == 0], chance.choice(_COUNTRIES) or None
        context = AppraisalContext(
            claims=claims, client_data=client_data, now=START, build=build, app=app, event="renew", country=country
        )
        facts = facts_of(context)
        device = Device(claims, client_data, app, country, build, None, facts)
        record = facts.to_record()
        attributes: dict[str, Any] = dict(facts.claims)
        if "counter" in attributes:
            attributes["counter"] = _COUNTER
        for name in ("play", "integrity"):
            if name in attributes:
                attributes[name] = {**attributes[name], "age_hours": _AGE}
                device.first_verdict = START - chance.random() * _TURN
        device.facts_text = json.dumps({**record, "claims": attributes}, separators=(",", ":"))
        return device


def _told(finding: Finding) -> str:
    return finding.rule if finding.enforced else f"{finding.rule} (observed)"


def _signal_shares(hooked: float) -> Sequence[tuple[str, float]]:
    return (("hooking", hooked), ("debugger", 0.0005), ("screen-capture", 0.004), ("vpn", 0.01))


def _apple(chance: random.Random, kind: Platform, point: bytes) -> tuple[Claims, str, str]:
    major = chance.choices((26, 18, 17, 16), (40, 45, 10, 5))[0]
    version = f"{major}.{chance.randrange(0, 7)}"
    apple = AppleClaims(
        os_build=f"{major + 4}A{chance.randrange(100, 140)}",
        validation_category=chance.choices((None, 4, 2, 3), (60, 38, 1.5, 0.5))[0],
        bundle_version=chance.choice(_BUILDS),
        full_security=None if kind is Platform.IOS else chance.random() < 0.97,
        receipt_verified=True,
        risk_metric=chance.choice((None, 1, 1, 2, 3)),
    )
    claims = minted_claims(
        format="apple-app-attest",
        platform=kind,
        app_id="ABCDE12345.org.example.bank",
        public_key=point,
        key_storage=KeyStorage.SECURE_ENCLAVE,
        environment=Environment.DEVELOPMENT if chance.random() < 0.002 else Environment.PRODUCTION,
        chain_profile="strict",
        anchor="a1" * 32,
        counter=1,
        apple=apple,
    )
    model = chance.choice(_IPHONES) if kind is Platform.IOS else "Mac15,3"
    return claims, f"{'iOS' if kind is Platform.IOS else 'macOS'} {version}", model


def _android(chance: random.Random, kind: Platform, point: bytes) -> tuple[Claims, str, str]:
    model = _PHONES[int(len(_PHONES) * chance.random() ** 2)]
    maker = model.split()[0]
    version = chance.choices((16, 15, 14, 13, 12, 10), (15, 30, 25, 15, 10, 5))[0]
    month = 2026 * 12 + 5 - int(chance.random() ** 3 * 40)
    patch = month // 12 * 100 + month % 12 if month % 12 else (month // 12 - 1) * 100 + 12
    strongbox, unlocked = chance.random() < 0.3, chance.random() < 0.004
    state = "unverified" if unlocked else "self-signed" if chance.random() < 0.003 else "verified"
    play = None
    if chance.random() < 0.9:
        labels = ["MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY", "MEETS_STRONG_INTEGRITY"]
        kept = 0 if unlocked else chance.choices((3, 2, 1), (70, 28, 2))[0]
        play = PlayClaims(
            token="standard",
            requested_at=START,
            app_recognition="PLAY_RECOGNIZED" if chance.random() < 0.995 else "UNRECOGNIZED_VERSION",
            package="org.example.bank",
            version_code=int(chance.choice(_BUILDS)),
            signing_digests=("5d" * 32,),
            device_labels=tuple(labels[:kept]),
            sdk_version=version + 20,
            device_activity=chance.choice(("LEVEL_1", "LEVEL_2")),
            licensing="LICENSED" if chance.random() < 0.99 else "UNLICENSED",
            play_protect=chance.choices(("NO_ISSUES", "NO_DATA", "MEDIUM_RISK"), (90, 9, 1))[0],
            apps_detected=("UNKNOWN_CAPTURING",) if chance.random() < 0.005 else ("KNOWN_INSTALLED",),
        )
    level = 2 if strongbox else 1
    android = AndroidClaims(
        attestation_version=300,
        keymint_version=300,
        security_level=level,
        key_security_level=level,
        strongbox_certified=True if strongbox else None,
        provisioning="rkp" if version >= 14 else "factory",
        verified_boot_state=state,
        device_locked=not unlocked,
        verified_boot_key=sha256(maker.encode()).hexdigest(),
        boot_key_listed=state == "self-signed",
        verified_boot_hash=sha256(f"{model}{patch}".encode()).hexdigest(),
        os_version=version * 10_000,
        os_patch_level=patch,
        vendor_patch_level=patch * 100 + 5,
        boot_patch_level=patch * 100 + 5,
        origin=0,
        purposes=(2, 3),
        key_algorithm="ec-p256",
        user_authentication=False,
        packages=("org.example.bank",),
        package_version=4200,
        signing_digests=("5d" * 32,),
        manufacturer=maker,
        play=play,
        play_expected=True,
    )
    claims = minted_claims(
        format="android-key-attestation",
        platform=kind,
        app_id="org.example.bank",
        public_key=point,
        key_storage=KeyStorage.STRONGBOX if strongbox else KeyStorage.TEE,
        environment=Environment.PRODUCTION,
        chain_profile="strict" if version >= 12 else "factory",
        anchor="b2" * 32,
        os_version=str(version),
        android=android,
    )
    return claims, f"Android {version}", model


def _harmony(chance: random.Random, kind: Platform, point: bytes) -> tuple[Claims, str, str]:
    integrity = None
    if chance.random() < 0.97:
        sound = chance.random() < 0.99
        integrity = HarmonyIntegrityClaims(
            profile="next",
            checked_at=START,
            basic_integrity=sound,
            details=() if sound else ("root",),
            bundle_name="org.example.bank",
            app_id="5765880207854",
            signing_digests=("5d" * 32,),
        )
    harmony = HarmonyClaims(
        kind="anonymous",
        bundle_name="org.example.bank",
        app_id="org.example.bank_MFkw",
        app_mode="release",
        key_origin="generated",
        key_origin_level=3,
        key_manager_level=3,
        key_algorithm="ec-p256",
        claim_levels={"app-id": 2, "key-origin": 3},
        integrity=integrity,
    )
    claims = minted_claims(
        format="harmony-key-attestation",
        platform=kind,
        app_id="org.example.bank",
        public_key=point,
        key_storage=KeyStorage.TEE,
        environment=Environment.PRODUCTION,
        chain_profile="strict",
        anchor="c3" * 32,
        harmony=harmony,
    )
    return claims, f"HarmonyOS {chance.choice(('5.0', '5.1', '6.0'))}", f"HM-{chance.randrange(1, 13):02d}"
