"""A software iPhone: one app on one Apple device, speaking App Attest as ``DCAppAttestService`` does.

It generates attested keys, attestation objects, assertions with their counter, and receipts, all under the device
authority's test root. Everything time or chance decides comes from ``clock`` and ``random``.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.apple.app_attestation import (
    AAGUID_DEVELOPMENT,
    AAGUID_PRODUCTION,
    AssertionDraft,
    AttestationDraft,
    AuthenticatorData,
    cose_key,
    extension_map,
    leaf_template,
    nonce_over,
    point_of,
)
from devkit.devices.apple.generations import GENERATIONS, AppleGeneration
from devkit.devices.apple.receipt import ReceiptDraft, ReceiptForm, attest_fields, exchanged_fields
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.authority.certificate_template import RandomBytes, new_private_key

CATEGORY_TESTFLIGHT, CATEGORY_DEVELOPMENT, CATEGORY_APP_STORE, CATEGORY_ENTERPRISE = 2, 3, 4, 5


@dataclass(slots=True)
class AppAttestKey:
    """A key inside the software Secure Enclave. ``counter`` counts the assertions made with it."""

    private_key: ec.EllipticCurvePrivateKey
    counter: int = 0

    @property
    def point(self) -> bytes:
        return point_of(self.private_key.public_key())

    @property
    def identifier(self) -> bytes:
        """The key identifier, 32 bytes: SHA-256 of the uncompressed point."""
        return sha256(self.point).digest()

    @property
    def key_id(self) -> str:
        """The identifier as iOS hands it to the app: standard base64."""
        return base64.b64encode(self.identifier).decode("ascii")


@dataclass(slots=True, kw_only=True)
class SoftwareIphone:
    """One app, ``app_id`` (``<team id>.<bundle id>``), on one software device of ``generation``.

    ``development`` marks a build signed for development: its keys say so in their AAGUID. ``category`` and
    ``bundle_version`` are what iOS 27 tells of the build. ``clock`` gives Unix seconds. ``device`` (32 bytes) names the
    device in receipts, for :class:`~devkit.devices.fake_apple.SoftwareApple`, which counts the keys of each; without
    one, every key is of another device there.
    """

    authority: DeviceAuthority
    app_id: str
    generation: AppleGeneration = GENERATIONS["ios-26"]
    development: bool = False
    category: int = CATEGORY_APP_STORE
    bundle_version: str = "1"
    clock: Callable[[], float] = time.time
    random: RandomBytes = secrets.token_bytes
    device: bytes = b""
    keys: dict[str, AppAttestKey] = field(default_factory=dict)

    def generate_key(self) -> str:
        """A new attested key. Returns its key id, as ``DCAppAttestService.generateKey`` does."""
        key = AppAttestKey(new_private_key(ec.SECP256R1(), self.random))
        self.keys[key.key_id] = key
        return key.key_id

    def attest_key(self, key_id: str, client_data_hash: bytes) -> bytes:
        """The attestation object for a generated key. Raises ``KeyError`` for a key of another phone."""
        return self.attestation_draft(key_id, client_data_hash).seal()

    def generate_assertion(self, key_id: str, client_data_hash: bytes) -> bytes:
        """An assertion; the key's counter grows by one with each."""
        self.keys[key_id].counter += 1
        return self.assertion_draft(key_id, client_data_hash).seal()

    def attestation_draft(self, key_id: str, client_data_hash: bytes) -> AttestationDraft:
        """The attestation before it is sealed, for hostile devices."""
        now, apple = self.clock(), self.authority.apple
        public_key = self.keys[key_id].private_key.public_key()
        data = self.authenticator_data(key_id).encode()
        leaf = leaf_template(
            key=public_key,
            issuer=apple.app_attestation_ca,
            generation=self.generation,
            app_id=self.app_id,
            nonce=nonce_over(data, client_data_hash),
            now=now,
        )
        certificate = leaf.signed_by(apple.app_attestation_ca.key)
        return AttestationDraft(
            authenticator_data=data,
            client_data_hash=client_data_hash,
            leaf=leaf,
            issuer=apple.app_attestation_ca,
            issuers=(apple.app_attestation_ca.certificate,),
            receipt=self.receipt_draft(certificate, client_data_hash).seal(),
        )

    def authenticator_data(self, key_id: str) -> AuthenticatorData:
        key = self.keys[key_id]
        return AuthenticatorData(
            app_id_hash=self._app_id_hash,
            aaguid=AAGUID_DEVELOPMENT if self.development else AAGUID_PRODUCTION,
            credential_id=key.identifier,
            cose_key=cose_key(key.private_key.public_key()),
            tail=self._extension_map,
        )

    def assertion_draft(self, key_id: str, client_data_hash: bytes) -> AssertionDraft:
        """The assertion at the key's present counter, before it is sealed."""
        key = self.keys[key_id]
        return AssertionDraft(
            app_id_hash=self._app_id_hash,
            counter=key.counter,
            client_data_hash=client_data_hash,
            key=key.private_key,
            tail=self._extension_map,
        )

    def receipt_draft(
        self, leaf: bytes, client_data_hash: bytes, *, form: ReceiptForm = ReceiptForm.SEGMENTED
    ) -> ReceiptDraft:
        """The receipt that goes into an attestation made now."""
        now, apple = self.clock(), self.authority.apple
        signer = apple.receipt_signer(now)
        return ReceiptDraft(
            fields=attest_fields(
                app_id=self.app_id,
                leaf=leaf,
                client_data_hash=client_data_hash,
                token=base64.b64encode((self.device + self.random(64))[:64]).decode("ascii"),
                environment="sandbox" if self.development else "production",
                created_at=now,
            ),
            signer=signer,
            certificates=(signer.certificate, apple.receipt_ca.certificate, apple.root.certificate),
            form=form,
        )

    def exchange_receipt(self, attest: ReceiptDraft, *, risk_metric: int = 1) -> ReceiptDraft:
        """What the vendor's server answers for a receipt: one of type RECEIPT, made now, with the risk metric."""
        now, apple = self.clock(), self.authority.apple
        signer = apple.receipt_signer(now)
        return ReceiptDraft(
            fields=exchanged_fields(dict(attest.fields), risk_metric=risk_metric, created_at=now),
            signer=signer,
            certificates=(signer.certificate, apple.receipt_ca.certificate, apple.root.certificate),
            form=attest.form,
        )

    @property
    def _app_id_hash(self) -> bytes:
        return sha256(self.app_id.encode("utf-8")).digest()

    @property
    def _extension_map(self) -> bytes:
        return extension_map(self.generation, category=self.category, bundle_version=self.bundle_version)
