"""Reference values: what *we* expect of an app. Data with an owner, never constants in a verifier (RFC 9334 §8.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique


@unique
class Environment(StrEnum):
    """Which App Attest environment made a key. TestFlight, App Store and enterprise builds use ``PRODUCTION``. ``TEST``
    is none of Apple's: a key that enrolled with a test pass, for which no vendor vouches."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppleReferenceValues:
    """What App Attest evidence must show.

    ``app_ids`` are full ids, ``<team id or app id prefix>.<bundle id>``; one app may have several (another team
    during a transfer, an App Clip). ``environments`` are those whose keys may enrol.
    """

    app_ids: tuple[str, ...]
    environments: frozenset[Environment] = frozenset({Environment.PRODUCTION})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayIntegrityKeys:
    """One pair of response keys from the Play Console ("manage and download my response encryption keys").

    ``decryption_key`` is a secret: the 32 bytes behind the console's base64. ``verification_key`` is the P-256
    SubjectPublicKeyInfo in DER. Several pairs of one app are tried in order, so that keys can rotate.
    """

    decryption_key: bytes = field(repr=False)
    verification_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AndroidReferenceValues:
    """What Android evidence must show.

    ``packages`` are application ids, any of which will do. ``signing_digests`` are SHA-256 (32 bytes) of the signing
    certificates: all that may have signed the app, so a rotated key or another store's signer is one more of them.
    Every signer that evidence names must be listed. Leave it empty only to study keys of the system itself, whose
    evidence names no signer: the strict policy refuses such a key.

    ``verified_boot_keys`` lists the keys of other systems (GrapheneOS, an enterprise's own) whose "self-signed" boot
    state is acceptable for this app; as in evidence, 32 bytes each. ``play_integrity`` decrypts classic tokens.
    ``play_expected`` says that the app sends Play Integrity tokens: a key without a verdict is then a finding. Leave it
    off for an app that also runs where there is no Play (another store, another system).
    """

    packages: tuple[str, ...]
    signing_digests: frozenset[bytes]
    verified_boot_keys: frozenset[bytes] = frozenset()
    play_integrity: tuple[PlayIntegrityKeys, ...] = ()
    play_expected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmonyReferenceValues:
    """What HarmonyOS evidence must show.

    ``bundle_names`` are bundle names (package names with HMS Core), any of which will do. ``app_ids`` are the app's
    ids as evidence spells them, which are two kinds: HUKS attestations carry ``<bundle name>_<base64 of the signing
    key>``, integrity tokens the number that AppGallery Connect gave the app. List both. ``app_identifiers`` are the
    numbers that survive a change of the signing key (``appIdentifier``, API 20): an attestation needs one of either.
    ``signing_digests`` (SHA-256 of the signing certificate, 32 bytes each) are asked of integrity tokens where given.
    Where ``app_identifiers`` are all that is listed, an integrity token's app id must be one of them.

    Any app can use a bundle name, so an app that lists neither ids nor identifiers pins no signer: such evidence
    verifies, and carries a finding that the strict policy lowers the tier for. Registration should not allow it.
    """

    bundle_names: tuple[str, ...]
    app_ids: tuple[str, ...] = ()
    app_identifiers: tuple[str, ...] = ()
    signing_digests: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceValues:
    """What we expect of one registered app, by platform. ``None`` means: not registered for that platform."""

    apple: AppleReferenceValues | None = None
    android: AndroidReferenceValues | None = None
    harmony: HarmonyReferenceValues | None = None
