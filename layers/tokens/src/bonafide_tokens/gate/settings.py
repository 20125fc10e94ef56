"""Settings of a gate: everything it is told, read once from the environment.

A NamedTuple, not a dataclass: see ``bonafide_tokens.jose`` for what ``dataclasses`` costs a cold start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from bonafide_tokens.errors import TokenError
from bonafide_tokens.jose import EcPublicKey, b64url_decode
from bonafide_tokens.origin_secret import origin_secret_hashes
from bonafide_tokens.proof_nonce import MIN_KEY_BYTES
from bonafide_tokens.routes import Requirement
from bonafide_tokens.trust_bundle import root_public_keys

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}\Z")  # RFC 9110 §5.6.2
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(?:/[A-Za-z0-9._~/-]*)?\Z")


class SettingsError(Exception):
    """A setting is missing or makes no sense. Says which one and what it should be, and quotes no value."""


class GateSettings(NamedTuple):
    """A gate's settings, by the environment variable of the same name in capitals (``ROOT_PUBLIC_KEY`` for
    ``root_keys``, ``CLOCK_SKEW_SECONDS`` for ``clock_skew``).

    ``external_origin`` is what clients see before the API's own path, as in ``https://api.example.com/shop``: a
    custom domain behind another proxy, or a stage prefix. Empty means the request's own domain and path.
    ``cache_seconds`` is for how long the API Gateway in front caches answers, which it does not tell: 0 where it does
    not. ``pop_header`` is empty where ``OAuth-Client-Attestation-PoP`` is not accepted (``off``);
    ``proof_nonces_table`` where no route may ask for ``proof-once``; ``nonce_key`` where proofs need no nonce;
    ``origin_secret_hashes`` where requests need not come through the edge. ``trust_bundle_url`` may be several,
    separated by commas, the first to be asked first. ``list_accepted`` is whether accepted requests are listed in the
    log, and not only counted.
    """

    trust_bundle_url: str
    root_keys: tuple[EcPublicKey, ...]
    token_issuer: str
    audience: str
    default_requirement: Requirement = Requirement.PROOF
    token_header: str = "oauth-client-attestation"
    proof_header: str = "dpop"
    pop_header: str = "oauth-client-attestation-pop"
    external_origin: str = ""
    allow_when_unavailable: bool = False
    clock_skew: float = 5.0
    cache_seconds: float = 0.0
    proof_nonces_table: str = ""
    nonce_key: bytes = b""
    origin_secret_hashes: tuple[bytes, ...] = ()
    list_accepted: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> GateSettings:
        """Read and check all settings. Raises :class:`SettingsError` for the first that is wrong."""
        token_header = _header(environment, "TOKEN_HEADER", "OAuth-Client-Attestation")
        proof_header = _header(environment, "PROOF_HEADER", "DPoP")
        pop_header = _header(environment, "ATTESTATION_POP_HEADER", "OAuth-Client-Attestation-PoP")
        if len({token_header, proof_header, pop_header}) < 3:
            raise SettingsError("TOKEN_HEADER, PROOF_HEADER and ATTESTATION_POP_HEADER must be different headers")
        return cls(
            trust_bundle_url=_required(environment, "TRUST_BUNDLE_URL"),
            root_keys=_root_keys(_required(environment, "ROOT_PUBLIC_KEY")),
            token_issuer=_required(environment, "TOKEN_ISSUER"),
            audience=_required(environment, "AUDIENCE"),
            default_requirement=Requirement(_one_of(environment, "DEFAULT_REQUIREMENT", "proof", tuple(Requirement))),
            token_header=token_header,
            proof_header=proof_header,
            pop_header="" if pop_header == "off" else pop_header,
            external_origin=_origin(environment),
            allow_when_unavailable=_one_of(environment, "ON_BUNDLE_UNAVAILABLE", "deny", ("deny", "allow")) == "allow",
            clock_skew=_seconds(environment, "CLOCK_SKEW_SECONDS", 5.0, at_most=300.0),
            cache_seconds=_seconds(environment, "AUTHORIZER_CACHE_SECONDS", 0.0, at_most=3600.0),
            proof_nonces_table=environment.get("PROOF_NONCES_TABLE", ""),
            nonce_key=_nonce_key(environment),
            origin_secret_hashes=_origin_secrets(environment),
            list_accepted=_one_of(environment, "LIST_ACCEPTED", "off", ("off", "on")) == "on",
        )


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise SettingsError(f"{name} is not set")
    return value


def _one_of(environment: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = environment.get(name) or default
    if value not in allowed:
        raise SettingsError(f"{name} must be one of {', '.join(allowed)}")
    return value


def _header(environment: Mapping[str, str], name: str, default: str) -> str:
    value = environment.get(name) or default
    if not _HEADER_NAME.match(value):
        raise SettingsError(f"{name} is not a header name")
    return value.lower()


def _root_keys(text: str) -> tuple[EcPublicKey, ...]:
    try:
        return root_public_keys(text)
    except TokenError:
        raise SettingsError("ROOT_PUBLIC_KEY must be one to four P-256 points in base64url, with commas") from None


def _nonce_key(environment: Mapping[str, str]) -> bytes:
    if _one_of(environment, "PROOF_NONCE", "off", ("off", "require")) == "off":
        return b""
    try:
        key = b64url_decode(environment.get("PROOF_NONCE_KEY", ""))
    except TokenError:
        key = b""
    if len(key) < MIN_KEY_BYTES:
        raise SettingsError(f"PROOF_NONCE_KEY must be the base64url of at least {MIN_KEY_BYTES} random bytes")
    return key


def _origin_secrets(environment: Mapping[str, str]) -> tuple[bytes, ...]:
    try:
        return origin_secret_hashes(environment.get("ORIGIN_SECRET_HASHES", ""))
    except ValueError:  # its own words would quote the value
        raise SettingsError("ORIGIN_SECRET_HASHES must be one or two SHA-256 hashes in hexadecimal") from None


def _origin(environment: Mapping[str, str]) -> str:
    value = environment.get("EXTERNAL_ORIGIN", "").rstrip("/")
    if value and not _ORIGIN.match(value):
        raise SettingsError("EXTERNAL_ORIGIN must be like https://api.example.com or https://api.example.com/base")
    return value


def _seconds(environment: Mapping[str, str], name: str, default: float, *, at_most: float) -> float:
    try:
        value = float(environment.get(name) or default)
    except ValueError:
        value = -1.0
    if not 0 <= value <= at_most:
        raise SettingsError(f"{name} must be a number of seconds from 0 to {at_most:g}")
    return value
