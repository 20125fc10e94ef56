"""The three ways a check can end badly, and the closed list of reasons.

Nothing but :class:`AttestationError` leaves a verifier, whatever the bytes. The public answer to a
client is chosen by ``reason`` from one table (``service.edge.problems``), where most reasons share one face; which
reason
it was, and ``detail``, are for the operator.
"""

from __future__ import annotations

from enum import StrEnum, unique

from bonafide_tokens.errors import BonafideError


@unique
class Reason(StrEnum):
    """Why evidence, client data, a challenge or a client policy was refused. Each comment names the attack or fault."""

    # Reading: the bytes are not what the format says; fuzzing, truncation, or a broken client.
    EVIDENCE_TOO_LARGE = "evidence-too-large"  # memory and CPU exhaustion
    ENCODING_INVALID = "encoding-invalid"  # CBOR, DER, BER, JSON or base64url that does not parse strictly
    STRUCTURE_INVALID = "structure-invalid"  # parses, but is not the documented structure (keys, types, lengths)
    FORMAT_UNKNOWN = "format-unknown"  # an evidence format or profile that this stack does not speak
    KEY_UNREADABLE = "key-unreadable"  # a public key that is off the curve or of another type

    # Chain: who vouches for this evidence?
    CHAIN_LENGTH = "chain-length"  # missing issuers, or a chain padded to burn CPU
    CHAIN_ISSUER_MISMATCH = "chain-issuer-mismatch"  # certificates of different families glued together
    CHAIN_SIGNATURE = "chain-signature"  # forged certificate
    CHAIN_CA_FLAG = "chain-ca-flag"  # an end-entity certificate used as issuer
    CHAIN_KEY_USAGE = "chain-key-usage"  # a key used for what its certificate does not allow
    CHAIN_PATH_LENGTH = "chain-path-length"  # more issuers below a CA than it allows
    CHAIN_NOT_YET_VALID = "chain-not-yet-valid"
    CHAIN_EXPIRED = "chain-expired"  # replay of old evidence under a dead certificate
    CHAIN_ALGORITHM = "chain-algorithm"  # weak or confused signature algorithm
    CHAIN_CRITICAL_EXTENSION = "chain-critical-extension"  # a critical extension this verifier does not understand
    ANCHOR_UNKNOWN = "anchor-unknown"  # the attacker's own root, another vendor's, or a public test root
    CERTIFICATE_REVOKED = "certificate-revoked"  # a leaked keybox, or a batch its vendor withdrew or suspended

    # Android: what a chain says about the key, and where it says it.
    KEY_DESCRIPTION_MISSING = "key-description-missing"  # an ordinary certificate chain passed off as an attestation
    KEY_DESCRIPTION_AMBIGUOUS = "key-description-ambiguous"  # two in one certificate: readers pick differently
    KEY_DESCRIPTION_REPEATED = "key-description-repeated"  # an attested key signed a forged attestation below itself
    KEY_DESCRIPTION_MISPLACED = "key-description-misplaced"  # an attested key signed a plain certificate below itself
    PROVISIONING_INFO_MISPLACED = "provisioning-info-misplaced"  # certificates added below a provisioned batch
    ATTEST_KEY_CHAIN = "attest-key-chain"  # attested by the app's own attestation key: its owner chooses who gets one
    KEY_ORIGIN = "key-origin"  # imported key: a copy of it may exist anywhere
    KEY_PURPOSE = "key-purpose"  # a key that may itself attest others
    KEY_ALL_APPLICATIONS = "key-all-applications"  # every app of the device may use the key
    ROOT_OF_TRUST_MISSING = "root-of-trust-missing"  # hardware says nothing about how the device booted

    # HarmonyOS: what a HUKS chain says about the key, and where it says it.
    ATTESTATION_MISSING = "attestation-missing"  # an ordinary chain of the same vendor passed off as an attestation
    ATTESTATION_MISPLACED = "attestation-misplaced"  # an app's own attested key signed certificates below itself
    CLAIM_REPEATED = "claim-repeated"  # two challenges or two apps in one attestation: readers pick differently
    KEY_MANAGER = "key-manager"  # a key of another component that the same CA certifies: camera, location, wearables

    # Binding: is this evidence for us, for this app, for this moment?
    CHALLENGE_MISMATCH = "challenge-mismatch"  # replayed evidence, or client data changed after attestation
    NONCE_EXTENSION = "nonce-extension"  # the certificate carries no nonce, or more than one
    APP_MISMATCH = "app-mismatch"  # repackaged app: another team, bundle or package
    SIGNER_MISMATCH = "signer-mismatch"  # our package name, another signer
    KEY_ID_MISMATCH = "key-id-mismatch"  # key swapped after attestation
    KEY_MISMATCH = "key-mismatch"  # certificate and authenticator data name different keys
    ENVIRONMENT_NOT_ALLOWED = "environment-not-allowed"  # development build against production
    COUNTER_NOT_ZERO = "counter-not-zero"  # an assertion's counter dressed up as a fresh attestation
    COUNTER_NOT_GREATER = "counter-not-greater"  # replayed assertion, or a cloned key
    SIGNATURE_INVALID = "signature-invalid"  # not signed by the attested key
    FLAGS_INVALID = "flags-invalid"  # authenticator data whose flags and length contradict each other

    # Integrity tokens: Google's Play Integrity, Huawei's SysIntegrity.
    INTEGRITY_TOKEN_ALGORITHM = "integrity-token-algorithm"  # dir, A128KW, HS256 with the public key, none, zip, crit
    INTEGRITY_TOKEN_KEY = "integrity-token-key"  # encrypted under none of our keys: another app's, or Google's own
    INTEGRITY_TOKEN_SIGNATURE = "integrity-token-signature"  # made with the decryption key alone
    INTEGRITY_TOKEN_SIGNER = "integrity-token-signer"  # a developer's, phone's or app's certificate under the same root
    INTEGRITY_TOKEN_TIME = "integrity-token-time"  # a hoarded verdict

    # Receipts.
    RECEIPT_SIGNER = "receipt-signer"  # signer unknown, ambiguous, or not marked for receipts
    RECEIPT_SIGNATURE = "receipt-signature"  # content changed after signing
    RECEIPT_TYPE = "receipt-type"
    RECEIPT_EXPIRED = "receipt-expired"
    RECEIPT_TOO_OLD = "receipt-too-old"  # a stored receipt offered as a fresh one
    RECEIPT_FROM_FUTURE = "receipt-from-future"

    # Challenges and client data.
    CLIENT_DATA_INVALID = "client-data-invalid"
    CHALLENGE_FORGED = "challenge-forged"  # not sealed by this stack
    CHALLENGE_EXPIRED = "challenge-expired"
    CHALLENGE_FROM_FUTURE = "challenge-from-future"
    CHALLENGE_OTHER_APP = "challenge-other-app"  # a challenge of another tenant's app

    # Attested keys.
    KEY_UNKNOWN = "key-unknown"  # reinstalled, restored or expired: not fraud
    KEY_OTHER_PLATFORM = "key-other-platform"  # renewal in a format that would bypass the key's own rules

    # Client policies, as the app reads them.
    CLIENT_POLICY_INVALID = "client-policy-invalid"  # not signed by the root key: an attacker switches detectors off
    CLIENT_POLICY_ROLLBACK = "client-policy-rollback"  # an old policy, genuine once, replayed to bring back a hole

    # Test passes, which only a test stage takes.
    TEST_PASS_INVALID = "test-pass-invalid"  # not signed by this stage's root key: forged, or another stage's
    TEST_PASS_ENDED = "test-pass-ended"  # it expired, or was revoked
    TEST_PASS_OTHER_USE = "test-pass-other-use"  # of another app, build or request key: lent to another device
    ID_TOKEN_INVALID = "id-token-invalid"  # not the CI system's: forged, algorithm confused, or of an unknown issuer
    ID_TOKEN_TIME = "id-token-time"  # a hoarded one, or one for later
    ID_TOKEN_AUDIENCE = "id-token-audience"  # made for another service that the same pipeline signs in to
    ID_TOKEN_SUBJECT = "id-token-subject"  # another repository or branch at the same CI system: anyone can have one

    # Reference values.
    BUILD_RETIRED = "build-retired"  # a build with a hole, whose owner withdrew it

    # Our own side.
    TRUST_ANCHORS_MISSING = "trust-anchors-missing"
    REFERENCE_VALUES_MISSING = "reference-values-missing"  # the app is registered, but not for this platform
    ENDORSEMENTS_MISSING = "endorsements-missing"  # no revocation list yet: nothing may pass unchecked
    ENDORSEMENTS_MALFORMED = "endorsements-malformed"  # a vendor's list that cannot be read strictly
    ENDORSEMENTS_STALE = "endorsements-stale"  # a list kept from being refreshed would hide new revocations


class AttestationError(BonafideError[Reason]):
    """Base of every error of this library; ``reason`` is a member of :class:`Reason`."""


class MalformedEvidence(AttestationError):
    """The bytes cannot be read as what they claim to be. Says nothing about trust."""


class RejectedEvidence(AttestationError):
    """The bytes were read, and what they say is false or not for us."""


class EndorsementsUnavailable(AttestationError):
    """Evidence cannot be judged now: what vendors vouch for is missing or too old. Try again later."""
