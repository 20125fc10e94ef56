"""Installations on Android and HarmonyOS: the attested key signs anything, so renewals are plain signatures by it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from hashlib import sha256
from typing import Any, Self

from attestation.claims import key_id_of
from attestation.evidence import AttestationKind
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import public_key_of
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.android.device import SoftwareAndroid
from devkit.devices.android.play_integrity import verdict
from devkit.devices.app_instance import AppInstance
from devkit.devices.authority.certificate_template import spki_of
from devkit.devices.fake_google import SoftwareGoogle
from devkit.devices.harmony.device import SoftwareHarmony

Item = dict[str, Any]
"""One element of a request's ``evidence``."""


@dataclass(slots=True, kw_only=True)
class KeyStoreInstallation(AppInstance):
    """An app with its two keys, which may be one: a key that attests itself may sign requests.

    The platforms' own classes below say what proves the key, and which additional evidence there is.
    """

    attested_key: ec.EllipticCurvePrivateKey
    attests_sealing_key: bool = False
    """Whether it sends the sealing key's own attestation beside the attested key's."""

    @property
    def bonafide_key_id(self) -> str:
        return key_id_of(public_key_of(self.attested_key).point)

    def attestation_body(
        self, client_data: bytes, chain: Sequence[bytes] | None = None, additional: Sequence[Item] | None = None
    ) -> Item:
        """The body of POST /v1/attestations. ``chain`` and ``additional`` take the place of what this device would
        send."""
        digest = sha256(client_data).digest()
        certificates = self.chain(digest) if chain is None else chain
        proof = {"format": self._format(), "certificate_chain": [b64url_encode(c) for c in certificates]}
        return {
            "app": self.app,
            "client_data": b64url_encode(client_data),
            "evidence": [proof, *(self._additional(digest) if additional is None else additional)],
        }

    def renewal_body(
        self, client_data: bytes, signature: bytes | None = None, additional: Sequence[Item] | None = None
    ) -> Item:
        """The body of POST /v1/tokens."""
        signed = self.sign(client_data) if signature is None else signature
        digest = sha256(client_data).digest()
        return {
            "key_id": self.bonafide_key_id,
            "client_data": b64url_encode(client_data),
            "evidence": [
                {"format": "key-signature", "signature": b64url_encode(signed)},
                *(self._additional(digest) if additional is None else additional),
            ],
        }

    def sealing_key_attestation(self, challenge: bytes) -> Item:
        """The sealing key's own attestation over ``challenge``, as evidence."""
        chain = self.sealing_key_chain(challenge)
        kind = self._format().replace("-key-", "-sealing-key-")
        return {"format": kind, "certificate_chain": [b64url_encode(certificate) for certificate in chain]}

    def _sealing(self) -> ec.EllipticCurvePrivateKey:
        if self.sealing_key is None:
            raise ValueError("this app has no sealing key to attest")
        return self.sealing_key

    def _additional(self, digest: bytes) -> list[Item]:
        attested = [self.sealing_key_attestation(digest)] if self.attests_sealing_key else []
        return [*self.additional(digest), *attested]

    @abstractmethod
    def sealing_key_chain(self, challenge: bytes) -> tuple[bytes, ...]:
        """The certificate chain of the sealing key, a key for agreement, over ``challenge``."""

    @abstractmethod
    def chain(self, challenge: bytes) -> tuple[bytes, ...]:
        """The attested key's certificate chain over ``challenge``."""

    @abstractmethod
    def additional(self, digest: bytes) -> list[Item]:
        """Additional evidence, over the same client data."""

    @abstractmethod
    def sign(self, client_data: bytes) -> bytes:
        """The attested key's signature over ``client_data``: R and S, 64 bytes."""

    @abstractmethod
    def _format(self) -> str:
        """The evidence format of the key's chain."""


@unique
class Play(StrEnum):
    """How an app asks Play Integrity, if it does."""

    NONE = "none"
    CLASSIC = "classic"
    STANDARD = "standard"


@dataclass(slots=True, kw_only=True)
class AndroidInstallation(KeyStoreInstallation):
    """The app on an Android phone. ``play`` says whether it sends a Play Integrity token, and of which kind."""

    phone: SoftwareAndroid
    google: SoftwareGoogle
    play: Play = Play.NONE
    play_labels: tuple[str, ...] = ("MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY", "MEETS_STRONG_INTEGRITY")

    @classmethod
    def fresh(cls, app: str, phone: SoftwareAndroid, **more: Any) -> Self:
        """A first start after installing, with two keys: the challenge of an Android key is fixed when the key is made,
        so the client data behind it cannot name that key. A renewal can."""
        return cls(
            app=app,
            phone=phone,
            attested_key=phone.generate_key(),
            request_key=phone.generate_key(),
            google=SoftwareGoogle(phone.authority),
            **more,
        )

    @property
    def platform(self) -> str:
        return "android"

    def chain(self, challenge: bytes) -> tuple[bytes, ...]:
        return self.phone.attest_key(self.attested_key, challenge)

    def _names_sealing_key(self) -> bool:
        return not self.attests_sealing_key  # its challenge is fixed when it is made, as the attested key's is

    def sealing_key_chain(self, challenge: bytes) -> tuple[bytes, ...]:
        return self.phone.attest_agreement_key(self._sealing(), challenge)

    def additional(self, digest: bytes) -> list[Item]:
        if self.play is Play.NONE:
            return []
        return [{"format": "android-play-integrity", "integrity_token": self.play_token(digest)}]

    def play_token(self, digest: bytes) -> str:
        """A token over ``digest``, as Google would make it for this app on this phone."""
        facts: dict[str, Any] = {
            "package": self.phone.package,
            "signer": self.phone.signer,
            "now": self.phone.clock(),
            "device_labels": self.play_labels,
        }
        if self.play is Play.STANDARD:
            return self.google.standard_token(verdict(request_hash=b64url_encode(digest), **facts))
        keys = self.google.response_keys(self.phone.package)
        return keys.classic_token(verdict(nonce=b64url_encode(digest), **facts))

    def sign(self, client_data: bytes) -> bytes:
        return self.phone.sign(self.attested_key, client_data)

    def _format(self) -> str:
        return "android-key-attestation"

    def _facts(self) -> dict[str, str | None]:
        release = self.phone.release
        return {"app_build": str(self.phone.version_code), "os": release.os, "model": release.model}

    def _now(self) -> float:
        return self.phone.clock()


@dataclass(slots=True, kw_only=True)
class HarmonyInstallation(KeyStoreInstallation):
    """The app on a HarmonyOS device. ``integrity`` says whether it sends a SysIntegrity token; ``kind`` and
    ``offline`` which of HUKS's chains it gets."""

    device: SoftwareHarmony
    build: str = "1"
    integrity: bool = True
    kind: AttestationKind = AttestationKind.ANONYMOUS
    offline: bool = False

    @classmethod
    def fresh(cls, app: str, device: SoftwareHarmony, *, one_key: bool = False, **more: Any) -> Self:
        """A first start after installing. ``one_key``: the attested key signs requests as well; HUKS attests a key that
        is there already, so client data can name it."""
        key = device.generate_key()
        return cls(
            app=app,
            device=device,
            attested_key=key,
            request_key=key if one_key else device.generate_key(),
            **more,
        )

    @property
    def platform(self) -> str:
        return "harmony"

    def attestation_body(
        self, client_data: bytes, chain: Sequence[bytes] | None = None, additional: Sequence[Item] | None = None
    ) -> Item:
        body = KeyStoreInstallation.attestation_body(self, client_data, chain, additional)
        body["evidence"][0]["kind"] = self.kind.value
        return body

    def chain(self, challenge: bytes) -> tuple[bytes, ...]:
        return self.device.draft(spki_of(self.attested_key), challenge, kind=self.kind, offline=self.offline).chain()

    def sealing_key_chain(self, challenge: bytes) -> tuple[bytes, ...]:
        return self.device.attest_agreement_key(self._sealing(), challenge)

    def additional(self, digest: bytes) -> list[Item]:
        return [self.integrity_item(self.device.check_integrity(digest))] if self.integrity else []

    def integrity_item(self, token: str) -> Item:
        """``token`` as evidence of this device's profile."""
        return {
            "format": "harmony-device-integrity",
            "profile": self.device.profile.value,
            "integrity_token": token,
        }

    def sign(self, client_data: bytes) -> bytes:
        return self.device.sign(self.attested_key, client_data)

    def _format(self) -> str:
        return "harmony-key-attestation"

    def _facts(self) -> dict[str, str | None]:
        release = self.device.release
        return {"app_build": self.build, "os": release.os, "model": release.model}

    def _now(self) -> float:
        return self.device.clock()
