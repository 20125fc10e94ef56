"""Settings: one frozen dataclass per function, read from the environment.

A field named ``apps_table`` is the variable ``APPS_TABLE``. A test proves that template, dataclasses and events agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements
from attestation.harmony.simulator import is_simulator_root
from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.routes import RouteRequirement

from service.fallback_modes import KeyRows, OnPlayUnavailable, OnStale, PassMode, PolicyApproval, WebhookAddresses
from service.regions.names import region_name_or_none
from service.settings_text import PARSER as _PARSER
from service.settings_text import SettingsError as SettingsError
from service.settings_text import anchors as _anchors
from service.settings_text import certificate as _certificate
from service.settings_text import header as _header
from service.settings_text import header_or_none as _header_or_none
from service.settings_text import names as _names
from service.settings_text import natural as _natural
from service.settings_text import one_of as _one_of
from service.settings_text import origin_or_none as _origin_or_none
from service.settings_text import origin_secrets as _origin_secrets
from service.settings_text import positive as _positive
from service.settings_text import read_settings as read_settings
from service.settings_text import root_keys as _root_keys
from service.settings_text import root_keys_or_none as _root_keys_or_none
from service.settings_text import routes as _routes
from service.settings_text import stressed_seconds as _stressed_seconds
from service.settings_text import token_seconds as _token_seconds
from service.settings_text import variables as variables
from service.vendors.outbound import check_url

PLAY_ENDPOINT: Final = "https://playintegrity.googleapis.com"
_POSITIVE: Final = {_PARSER: _positive}
_ORIGIN_SECRETS: Final = {_PARSER: _origin_secrets}
_DAY: Final = 86_400
_PASSES: Final = {_PARSER: _one_of(PassMode)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSettings:
    """What every function is told: its stack, and the stage that this is."""

    stage: str
    stack_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionSettings(StackSettings):
    """What functions are told whose work has a home: the name of this region, empty in a stack of one."""

    region_name: str = field(default="", metadata={_PARSER: region_name_or_none})


def refuse_test_roots_in_production(stage: str, roots: tuple[TrustAnchor, ...]) -> None:
    """The attack: anyone holding the test root's key mints "genuine" devices. The template has the same rules."""
    if roots and stage.lower().startswith("prod"):
        raise SettingsError("environment variable DEVELOPMENT_TRUST_ANCHORS must be empty when STAGE is prod")


def refuse_test_passes_in_production(stage: str, mode: PassMode) -> None:
    """The attack: an operator's pass, or a pipeline's, in the place of every proof. The template has the same rule."""
    if mode is not PassMode.OFF and stage.lower().startswith("prod"):
        raise SettingsError("environment variable TEST_PASSES must be off when STAGE is prod")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueChallengeSettings(RegionSettings):
    """``issue_challenge``: the sealing key, who may call (``origin_secret_hashes``), and by what region documents are
    known. ``enrolment_pace`` is the most enrolments a second (:mod:`service.admission`), 0 for no such limit; the
    tallies table says how many ask."""

    signing_keys_table: str
    tallies_table: str
    wrapping_key_id: str
    token_issuer: str
    root_public_key: tuple[EcPublicKey, ...] = field(default=(), metadata={_PARSER: _root_keys_or_none})
    challenge_lifetime_seconds: int = field(default=300, metadata=_POSITIVE)
    enrolment_pace: int = field(default=0, metadata={_PARSER: _natural})
    allowed_origin: str = "*"
    origin_secret_hashes: tuple[bytes, ...] = field(default=(), metadata=_ORIGIN_SECRETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFailureSettings(StackSettings):
    """``report_failure``: who may call, and which web origin may read answers."""

    allowed_origin: str = "*"
    origin_secret_hashes: tuple[bytes, ...] = field(default=(), metadata=_ORIGIN_SECRETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingSettings(RegionSettings):
    """What both judging functions need. ``token_audience`` is for apps that name none; ``stressed_token_seconds`` how
    long affirmed tokens live under stress (0: as always); ``key_idle_days`` the life of an unused key;
    ``app_memory_seconds`` how long a process under load goes by what it read of an app, 0 for the least;
    ``allowed_origin`` the web origin that may read answers (CORS).

    ``development_trust_anchors`` are test roots, for stages other than production; ``openharmony_simulator_root`` is
    the certificate of the simulator whose keys are public, for development stages alone.
    ``endorsements_max_age_seconds`` is how old Google's status list may be, ``on_endorsements_stale`` what is done with
    an older one. The Play settings are those of :class:`~service.vendors.play_integrity.PlayIntegrity`.
    ``country_header`` and ``network_header`` are the headers in which a CDN names the caller's country and address,
    empty for none, and ``origin_secret_hashes`` what is known of the CDN's secret
    (:mod:`bonafide_tokens.origin_secret`). ``key_rows`` is the form in which claims are written. ``test_passes`` is
    whether :mod:`service.passes` are taken, which a key of ``root_public_key`` verifies.
    """

    apps_table: str
    builds_table: str
    policies_table: str
    nonces_table: str
    attested_keys_table: str
    signing_keys_table: str
    fact_keys_table: str
    incidents_table: str
    endorsements_table: str
    app_secrets_table: str
    play_requests_table: str
    wrapping_key_id: str
    token_issuer: str
    token_audience: str
    token_lifetime_seconds: int = field(default=300, metadata={_PARSER: _token_seconds})
    stressed_token_seconds: int = field(default=0, metadata={_PARSER: _stressed_seconds})
    challenge_lifetime_seconds: int = field(default=300, metadata=_POSITIVE)
    key_idle_days: int = field(default=90, metadata=_POSITIVE)
    app_memory_seconds: int = field(default=0, metadata={_PARSER: _natural})
    development_trust_anchors: tuple[TrustAnchor, ...] = field(default=(), metadata={_PARSER: _anchors})
    openharmony_simulator_root: bytes = field(default=b"", metadata={_PARSER: _certificate})
    endorsements_max_age_seconds: int = field(default=_DAY, metadata=_POSITIVE)
    on_endorsements_stale: OnStale = field(default=OnStale.REFUSE, metadata={_PARSER: _one_of(OnStale)})
    play_decode_endpoint: str = field(default=PLAY_ENDPOINT, metadata={_PARSER: check_url})
    play_daily_quota: int = field(default=10_000, metadata={_PARSER: _natural})
    play_enrolment_reserve: int = field(default=5_000, metadata={_PARSER: _natural})
    on_play_unavailable: OnPlayUnavailable = field(
        default=OnPlayUnavailable.REFUSE, metadata={_PARSER: _one_of(OnPlayUnavailable)}
    )
    key_rows: KeyRows = field(default=KeyRows.PACKED, metadata={_PARSER: _one_of(KeyRows)})
    allowed_origin: str = "*"
    country_header: str = field(default="", metadata={_PARSER: _header_or_none})
    network_header: str = field(default="", metadata={_PARSER: _header_or_none})
    origin_secret_hashes: tuple[bytes, ...] = field(default=(), metadata=_ORIGIN_SECRETS)
    test_passes: PassMode = field(default=PassMode.OFF, metadata=_PASSES)
    root_public_key: tuple[EcPublicKey, ...] = field(default=(), metadata={_PARSER: _root_keys_or_none})

    def __post_init__(self) -> None:
        refuse_test_roots_in_production(self.stage, self.development_trust_anchors)
        refuse_test_passes_in_production(self.stage, self.test_passes)
        if any(is_simulator_root(anchor.spki) for anchor in self.development_trust_anchors):
            raise SettingsError(
                "environment variable DEVELOPMENT_TRUST_ANCHORS must not hold the OpenHarmony simulator's root, which "
                "has its own: OPENHARMONY_SIMULATOR_ROOT"
            )
        # The simulator's CA keys are published: anyone can mint its keys.
        if self.openharmony_simulator_root and self.stage != "dev":
            raise SettingsError("environment variable OPENHARMONY_SIMULATOR_ROOT must be empty unless STAGE is dev")

    def trusted_roots(self) -> Endorsements:
        """The pinned roots, and those of this stage. Raises :class:`SettingsError` for another simulator's root."""
        roots = pinned_endorsements().with_development_anchors(self.development_trust_anchors)
        if not self.openharmony_simulator_root:
            return roots
        try:
            return roots.with_openharmony_simulator(self.openharmony_simulator_root)
        except ValueError as error:
            raise SettingsError(f"environment variable OPENHARMONY_SIMULATOR_ROOT is {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppraiseEvidenceSettings(JudgingSettings):
    """``appraise_evidence``. ``enrolments_per_device_day`` is the bound of
    :class:`~service.tables.device_bound.DeviceBound`; 0 for none."""

    receipts_table: str
    enrolments_per_device_day: int = field(default=0, metadata={_PARSER: _natural})


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewTokenSettings(JudgingSettings):
    """``renew_token``. ``signal_memory_seconds`` is how long hostile signals of a refused renewal count against later
    ones; 0 forgets them at once. ``publish_bundle_function`` is invoked when a rule blocked a key."""

    revocations_table: str
    publish_bundle_function: str
    signal_memory_seconds: int = field(default=_DAY, metadata={_PARSER: _natural})


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedSettings(RegionSettings):
    """What functions need that check a token and a proof themselves. ``root_public_key`` has the keys that trust
    bundles are verified with, one unless the root is changing; ``external_origin`` what clients see before the verifier
    API's own paths, empty for the API's own domain."""

    attested_keys_table: str
    nonces_table: str
    policies_table: str
    signing_keys_table: str
    fact_keys_table: str
    incidents_table: str
    trust_bundles_table: str
    wrapping_key_id: str
    token_issuer: str
    root_public_key: tuple[EcPublicKey, ...] = field(metadata={_PARSER: _root_keys})
    token_header: str = field(default="OAuth-Client-Attestation", metadata={_PARSER: _header})
    proof_header: str = field(default="DPoP", metadata={_PARSER: _header})
    external_origin: str = field(default="", metadata={_PARSER: _origin_or_none})
    signal_memory_seconds: int = field(default=_DAY, metadata={_PARSER: _natural})
    allowed_origin: str = "*"
    country_header: str = field(default="", metadata={_PARSER: _header_or_none})
    origin_secret_hashes: tuple[bytes, ...] = field(default=(), metadata=_ORIGIN_SECRETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSignalSettings(PresentedSettings):
    """``report_signal``. ``publish_bundle_function`` is invoked when a key was blocked; ``key_rows`` the form in which
    notes are written; ``network_header`` as in :class:`JudgingSettings`."""

    revocations_table: str
    publish_bundle_function: str
    key_rows: KeyRows = field(default=KeyRows.PACKED, metadata={_PARSER: _one_of(KeyRows)})
    network_header: str = field(default="", metadata={_PARSER: _header_or_none})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSecretsSettings(PresentedSettings):
    """``release_secrets``. ``wrapping_key_id`` unseals values, too."""

    runtime_secrets_table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshEndorsementsSettings(StackSettings):
    """``refresh_endorsements``: where the list comes from, where it goes, and the limit on its age."""

    endorsements_table: str
    android_status_list_url: str = field(metadata={_PARSER: check_url})
    endorsements_max_age_seconds: int = field(default=_DAY, metadata=_POSITIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServePolicySettings(StackSettings):
    """``serve_policy``: the stored trust bundles of one issuer, and the apps' client policies."""

    apps_table: str
    policies_table: str
    trust_bundles_table: str
    token_issuer: str
    allowed_origin: str = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministerSettings(RegionSettings):
    """``administer``: what operators change. ``root_key_id`` signs client policies; ``root_public_key`` has the keys
    that verify trust bundles; ``wrapping_key_id`` seals secrets of apps and values of runtime secrets.
    ``publish_bundle_function`` is invoked to make a change known, ``rotate_signing_key_function`` for new signing keys,
    ``refresh_endorsements_function`` for the list of revoked Android keys (empty without Android apps).
    ``policy_approval`` says whether publishing a policy needs a second person. ``decision_log_groups`` are the logs
    with decisions, for support codes; ``endorsements_max_age_seconds`` is how old Google's list may be.
    ``webhook_queue`` (an address) feeds ``deliver_webhooks``, ``webhook_addresses`` says where webhooks may lead."""

    apps_table: str
    apis_table: str
    attested_keys_table: str
    revocations_table: str
    audit_table: str
    policies_table: str
    trust_bundles_table: str
    builds_table: str
    app_secrets_table: str
    endorsements_table: str
    play_requests_table: str
    receipts_table: str
    tallies_table: str
    incidents_table: str
    fact_keys_table: str
    tally_days: int = field(default=400, metadata=_POSITIVE)
    decision_log_groups: tuple[str, ...] = field(metadata={_PARSER: _names})
    endorsements_max_age_seconds: int = field(default=_DAY, metadata=_POSITIVE)
    runtime_secrets_table: str
    signing_keys_table: str
    wrapping_key_id: str
    publish_bundle_function: str
    rotate_signing_key_function: str
    refresh_endorsements_function: str = field(default="", metadata={_PARSER: str})
    webhooks_table: str
    webhook_queue: str
    webhook_addresses: WebhookAddresses = field(
        default=WebhookAddresses.PUBLIC, metadata={_PARSER: _one_of(WebhookAddresses)}
    )
    root_key_id: str
    token_issuer: str
    root_public_key: tuple[EcPublicKey, ...] = field(metadata={_PARSER: _root_keys})
    app_memory_seconds: int = field(default=0, metadata={_PARSER: _natural})
    policy_approval: PolicyApproval = field(default=PolicyApproval.OFF, metadata={_PARSER: _one_of(PolicyApproval)})
    test_passes: PassMode = field(default=PassMode.OFF, metadata=_PASSES)

    def __post_init__(self) -> None:
        refuse_test_passes_in_production(self.stage, self.test_passes)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishingSettings(RegionSettings):
    """What trust bundles are made of. ``guarded_api_routes`` are the route requirements of the API
    ``token_audience``, as long as the apis table has none for it. ``edge_bucket`` gets copies of what is published
    (:mod:`service.keys.edge_documents`); empty for none. With ``test_passes`` on, bundles let test tokens in."""

    signing_keys_table: str
    trust_bundles_table: str
    apis_table: str
    revocations_table: str
    apps_table: str
    policies_table: str
    root_key_id: str
    token_issuer: str
    token_audience: str
    guarded_api_routes: tuple[RouteRequirement, ...] = field(metadata={_PARSER: _routes})
    bundle_lifetime_seconds: int = field(default=21_600, metadata=_POSITIVE)
    edge_bucket: str = field(default="", metadata={_PARSER: str})
    app_check_keys_url: str = field(default="", metadata={_PARSER: lambda text: text and check_url(text)})
    test_passes: PassMode = field(default=PassMode.OFF, metadata=_PASSES)

    def __post_init__(self) -> None:
        refuse_test_passes_in_production(self.stage, self.test_passes)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishBundleSettings(PublishingSettings):
    """``publish_bundle``: the same, and the roots that region documents may be signed by."""

    root_public_key: tuple[EcPublicKey, ...] = field(default=(), metadata={_PARSER: _root_keys_or_none})


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateSigningKeySettings(PublishingSettings):
    """``rotate_signing_key``: what bundles and keys are made of, and further roots (:mod:`service.roots.accepted`)."""

    fact_keys_table: str
    wrapping_key_id: str
    other_root_key_id: str = field(default="", metadata={_PARSER: str})
    additional_root_keys: tuple[EcPublicKey, ...] = field(default=(), metadata={_PARSER: _root_keys_or_none})
    token_lifetime_seconds: int = field(default=300, metadata={_PARSER: _token_seconds})
    stressed_token_seconds: int = field(default=0, metadata={_PARSER: _stressed_seconds})
    challenge_lifetime_seconds: int = field(default=300, metadata=_POSITIVE)
    signing_key_days: int = field(default=30, metadata=_POSITIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayDecisionsSettings(StackSettings):
    """``replay_decisions``: the bucket of decisions."""

    decision_bucket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckNewVersionSettings:
    """``check_new_version``: the versions that are about to take traffic, and ``alias``, by which functions are called.

    With ``authorize_request_version`` the authorizer is looked at, else the verifier; ``external_origin`` is that of
    its API. ``canary_app`` is a registered app, ``canary_device`` a software device of one, for stages other than
    production; both may be empty. ``canary_origin_secret`` is what the edge sends: without it, functions that refuse
    direct calls are only seen to refuse.
    """

    stage: str
    stack_name: str
    token_issuer: str
    audience: str
    root_public_key: tuple[EcPublicKey, ...] = field(metadata={_PARSER: _root_keys})
    token_header: str = field(metadata={_PARSER: _header})
    proof_header: str = field(metadata={_PARSER: _header})
    alias: str
    issue_challenge_version: str
    appraise_evidence_version: str
    renew_token_version: str
    report_signal_version: str
    report_failure_version: str
    release_secrets_version: str
    serve_policy_version: str
    authorize_request_version: str = field(default="", metadata={_PARSER: str})
    external_origin: str = field(default="", metadata={_PARSER: _origin_or_none})
    canary_app: str = field(default="", metadata={_PARSER: str})
    canary_device: str = field(default="", repr=False, metadata={_PARSER: str})
    origin_secret_hashes: tuple[bytes, ...] = field(default=(), metadata=_ORIGIN_SECRETS)
    canary_origin_secret: str = field(default="", repr=False, metadata={_PARSER: str})

    def __post_init__(self) -> None:
        """Raises :class:`SettingsError` for a software device in production."""
        if self.canary_device and self.stage.lower().startswith("prod"):
            raise SettingsError("environment variable CANARY_DEVICE must be empty in production")
