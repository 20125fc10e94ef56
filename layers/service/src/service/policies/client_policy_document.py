"""The client policy as a team writes it: ``client.json``, the document that the root key signs.

The titles and descriptions below are what app teams read in docs/client-policy.schema.json; docs/client-policy.md says
the rest. What needs no clock is checked here, under the codes of
:mod:`service.policies.client_policy_lint`; what does, there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum, unique
from typing import Annotated, Any, Final, Self

from attestation.appraisal.builds import build_order
from attestation.sealing.secret_name import MAX_NAME, MAX_VERSION, NAME_PATTERN
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

FORMAT: Final = 1
MIN_REFRESH: Final = 60
MAX_REFRESH: Final = 7 * 86_400
MIN_STALE: Final = 300
MAX_STALE: Final = 90 * 86_400
MAX_HOSTS: Final = 64
MAX_PINS: Final = 16
MAX_FEATURES: Final = 256
MAX_SECRETS: Final = 64
MAX_REGIONS: Final = 16
SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_HOST: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_URL: Final = re.compile(
    "https://" + _HOST.pattern.removesuffix(r"\Z") + r"(?::[1-9][0-9]{0,4})?(?:/[A-Za-z0-9._~-]+)*\Z"
)
_PIN: Final = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=\Z")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?\Z")


def _schema_pattern(pattern: re.Pattern[str]) -> dict[str, Any]:
    """The same for the schema, so that editors object to what we do; there `$` is the very end."""
    return {"pattern": "^" + pattern.pattern.removesuffix(r"\Z") + "$"}


def _format(number: int) -> int:
    if number != FORMAT:
        raise PydanticCustomError("unknown-format", "not the format of this service")
    return number


def _host(text: str) -> str:
    if not _HOST.match(text):
        raise PydanticCustomError("malformed-host", "not the name of a host, in lower case and without port or '*'")
    return text


def _url(text: str) -> str:
    if not _URL.match(text):
        raise PydanticCustomError("malformed-url", "not an https URL without query and without a slash at the end")
    return text


def _pin(text: str) -> str:
    if not _PIN.match(text):
        raise PydanticCustomError("malformed-pin", "not the base64 of a SHA-256 (44 characters, the last one '=')")
    return text


def _build(text: str) -> str:
    if build_order(text) is None:
        raise PydanticCustomError("unreadable-build", "not a build number like 42 or 3.14.1")
    return text


def _time(text: str) -> str:
    try:
        seconds_of(text)
    except ValueError:
        raise PydanticCustomError("unreadable-date", "neither a date nor a time in UTC") from None
    return text


def seconds_of(text: str) -> float:
    """``2027-06-30`` (its first second) or ``2027-06-30T18:00:00Z``, in Unix seconds. Raises :class:`ValueError`."""
    if not _TIME.match(text):
        raise ValueError("not a date or time of ours")
    moment = datetime.fromisoformat(text.removesuffix("Z"))
    return moment.replace(tzinfo=UTC).timestamp()


class _Part(BaseModel):
    """Strict: what a member is called and of which type it is leaves nothing to guess."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


@unique
class Reaction(StrEnum):
    """What the app does when a detector fires; each includes what stands before it."""

    REPORT = "report"
    WARN = "warn"
    BLOCK = "block"
    WIPE = "wipe"


class Detector(_Part):
    """One detector of the app."""

    enabled: Annotated[
        bool, Field(title="Enabled", description="false switches the detector off: it neither runs nor reports.")
    ] = True
    reaction: Annotated[
        Reaction,
        Field(
            title="Reaction",
            description="What the app does when the detector fires. `report`: send the signal, at once and with every "
            "renewal. `warn`: also tell the user. `block`: also stop what needs protection until the app starts again "
            "and the detector stays silent. `wipe`: also delete the app's own secrets and data on this device, and "
            "sign out. It reaches nothing outside the app.",
        ),
    ] = Reaction.REPORT


def _detector(name: str, description: str) -> Any:
    return Field(default_factory=Detector, alias=name, title=name, description=description)


class Detectors(_Part):
    """Every signal that an app may report, and what is to be done about it."""

    debugger: Detector = _detector("debugger", "A debugger is attached to the app.")
    hooking: Detector = _detector("hooking", "The app's code is being rewired (Frida, Xposed, Substrate …).")
    memory_dump: Detector = _detector("memory-dump", "Another process reads the app's memory.")
    root: Detector = _detector("root", "The device is rooted (Android, HarmonyOS).")
    jailbreak: Detector = _detector("jailbreak", "The device is jailbroken (iOS, HarmonyOS).")
    emulator: Detector = _detector("emulator", "The app runs on an emulator or simulator.")
    overlay: Detector = _detector("overlay", "Another app draws over this one.")
    screen_capture: Detector = _detector("screen-capture", "The screen is recorded, mirrored or captured.")
    accessibility_abuse: Detector = _detector(
        "accessibility-abuse", "A false accessibility service reads or operates the app."
    )
    app_clone: Detector = _detector("app-clone", "The app runs inside a cloning or virtualisation app.")
    repackaged: Detector = _detector("repackaged", "The app is not as it was signed, or not signed by its owner.")
    automation: Detector = _detector("automation", "The app is operated by a script (UI automation, auto-clickers).")


class PinSet(_Part):
    """The public keys that a host may show."""

    host: Annotated[
        str,
        Field(
            title="Host",
            description="The host's name in lower case, without port and without `*`.",
            max_length=253,
            examples=["api.example.com"],
            json_schema_extra=_schema_pattern(_HOST),
        ),
        AfterValidator(_host),
    ]
    include_subdomains: Annotated[
        bool,
        Field(
            title="Include subdomains",
            description="Whether the pins also hold for every name below the host that has no pin set of its own.",
        ),
    ] = False
    spki_sha256: Annotated[
        list[Annotated[str, AfterValidator(_pin), Field(json_schema_extra=_schema_pattern(_PIN))]],
        Field(
            title="Pins",
            description="Base64 SHA-256 of the SubjectPublicKeyInfo of keys, at least two different ones: a connection "
            "is good when one of them is in the verified chain. The second is the backup: a key that is ready and not "
            "in use, so that losing the first does not lock every app out.",
            max_length=MAX_PINS,
            json_schema_extra={"minItems": 2, "uniqueItems": True},
        ),
    ]
    expires: Annotated[
        str,
        Field(
            title="Expires",
            description="`2027-06-30` or `2027-06-30T18:00:00Z` (UTC). From then on the app does not apply this pin "
            "set, and trusts the host as if it had none.",
            max_length=20,
            examples=["2027-06-30"],
            json_schema_extra=_schema_pattern(_TIME),
        ),
        AfterValidator(_time),
    ]

    @model_validator(mode="after")
    def _has_a_backup(self) -> Self:
        # The attack is our own: the one pinned key is lost or revoked, and no installed app can be reached any more.
        if len(set(self.spki_sha256)) < 2:
            raise PydanticCustomError("no-backup-pin", "fewer than two different pins")
        return self

    @property
    def expires_at(self) -> float:
        """Unix seconds from which on the set is not applied."""
        return seconds_of(self.expires)


_Build = Annotated[
    str,
    Field(
        max_length=64,
        description="A build number, as the app states it in client data.",
        examples=["42", "3.14.1"],
        json_schema_extra={"pattern": r"^[0-9]{1,19}(?:\.[0-9]{1,9}){0,3}$"},
    ),
    AfterValidator(_build),
]


class MinimumBuilds(_Part):
    """The oldest build of each platform that may go on; a platform that is not named has none."""

    ios: _Build | None = Field(default=None, title="iOS", description="CFBundleVersion.")
    macos: _Build | None = Field(default=None, title="macOS", description="CFBundleVersion.")
    android: _Build | None = Field(default=None, title="Android", description="versionCode.")
    harmony: _Build | None = Field(default=None, title="HarmonyOS", description="versionCode.")


@unique
class StaleMode(StrEnum):
    """What an app does with a policy that it could not confirm for long."""

    KEEP_LAST = "keep-last"
    MUST_BE_CURRENT = "must-be-current"


class Stale(_Part):
    """What becomes of an app that cannot reach us."""

    mode: Annotated[
        StaleMode,
        Field(
            title="Mode",
            description="`keep-last`: go on under the last good policy, however old. `must-be-current`: stop what "
            "needs protection once the policy could not be confirmed for `after_seconds`, until it can be.",
        ),
    ] = StaleMode.KEEP_LAST
    after_seconds: Annotated[
        int,
        Field(
            title="Stale after",
            description="Seconds since the policy was last confirmed (200 with this or a newer version, or 304). "
            "`keep-last` ignores it.",
            ge=MIN_STALE,
            le=MAX_STALE,
        ),
    ] = 7 * 86_400


class LeastVersion(_Part):
    """What the app may open of one secret."""

    minimum_version: Annotated[
        int,
        Field(
            title="Minimum version",
            description="The app fetches the secret anew when what it has is older, and refuses an older one.",
            ge=1,
            le=MAX_VERSION,
        ),
    ] = 1


_Secret = Annotated[str, Field(pattern=NAME_PATTERN.replace(r"\A", "^").replace(r"\z", "$"), max_length=MAX_NAME)]
_Region = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
_Verifier = Annotated[str, AfterValidator(_url), Field(max_length=512, json_schema_extra=_schema_pattern(_URL))]
_Feature = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class ClientPolicyDocument(_Part):
    """What the app enforces by itself, wherever it is. A member that is absent has its default."""

    model_config = ConfigDict(title="Bonafide client policy")

    format: Annotated[
        int,
        AfterValidator(_format),
        Field(
            title="Format",
            description="1. An app keeps its last policy when it meets another number.",
            json_schema_extra={"const": FORMAT},
        ),
    ]
    refresh_seconds: Annotated[
        int,
        Field(
            title="Refresh interval",
            description="Seconds after which the app asks for a newer policy. It also asks when an answer names a "
            "version that it does not have.",
            ge=MIN_REFRESH,
            le=MAX_REFRESH,
        ),
    ] = 3_600
    stale: Annotated[Stale, Field(title="Stale mode", default_factory=Stale)]
    detectors: Annotated[
        Detectors,
        Field(
            title="Detectors",
            description="Signals by name. One that is not named is enabled and reported.",
            default_factory=Detectors,
        ),
    ]
    pins: Annotated[
        list[PinSet],
        Field(
            title="Pins",
            description="Pin sets, one for a host; of several that match, the one with the longest name counts.",
            max_length=MAX_HOSTS,
            default_factory=list,
        ),
    ]
    minimum_builds: Annotated[MinimumBuilds, Field(title="Minimum builds", default_factory=MinimumBuilds)]
    kill_switches: Annotated[
        dict[_Feature, bool],
        Field(
            title="Kill switches",
            description="Features by the app's own names; true switches a feature off. Names that the app does not "
            "know are ignored.",
            max_length=MAX_FEATURES,
            default_factory=dict,
            json_schema_extra={"additionalProperties": False},
        ),
    ]

    secrets: Annotated[
        dict[_Secret, LeastVersion],
        Field(
            title="Secrets",
            description="The runtime secrets that this app uses, by name. The app asks for no others and opens no "
            "others: name and least version are taken from here, never from the answer that brought a secret.",
            max_length=MAX_SECRETS,
            default_factory=dict,
            json_schema_extra={"additionalProperties": False},
        ),
    ]

    regions: Annotated[
        dict[_Region, _Verifier],
        Field(
            title="Regions",
            description="Verifiers of further regions, by the region's name: `https`, without a slash at the end. An "
            "app adds them to those that it was built with, and changes none of those.",
            max_length=MAX_REGIONS,
            default_factory=dict,
            json_schema_extra={"additionalProperties": False},
        ),
    ]

    @model_validator(mode="after")
    def _leaves_time_to_refresh(self) -> Self:
        if self.stale.mode is StaleMode.MUST_BE_CURRENT and self.refresh_seconds >= self.stale.after_seconds:
            raise PydanticCustomError("stale-before-refresh", "stale before it is refreshed")
        return self

    def signed_form(self) -> dict[str, object]:
        """The document as it is signed: every member written out, so that no app needs to know our defaults."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of ``client.json``, as docs/client-policy.schema.json has it for editors and app teams."""
    return {"$schema": SCHEMA_DIALECT, **ClientPolicyDocument.model_json_schema(by_alias=True)}


def document_of(text: str) -> Mapping[str, object]:
    """The signed form of a linted ``client.json``. Raises :class:`pydantic.ValidationError`, a :class:`ValueError`."""
    return ClientPolicyDocument.model_validate_json(text).signed_form()
