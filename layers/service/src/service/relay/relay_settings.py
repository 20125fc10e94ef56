"""What the proxy ``relay_upstream`` is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bonafide_tokens.jose import EcPublicKey

from service.settings import StackSettings
from service.settings_text import PARSER, header, origin_or_none, origin_secrets, root_keys
from service.vendors.outbound import check_url

LAPTOP: Final = "laptop"
"""A stage that no template allows: upstreams of the proxy may be at http://127.0.0.1 there, and nowhere else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayUpstreamSettings(StackSettings):
    """``relay_upstream``: the upstreams (:mod:`service.relay.upstreams`) and where their keys are, by the prefix of
    their names; where the trust bundle is served and who signs it; two tables; ``external_origin`` what clients see
    before ``/{upstream}``, empty for the API's own domain."""

    upstreams: str
    secret_prefix: str
    token_issuer: str
    nonces_table: str
    budgets_table: str
    trust_bundle_url: str = field(metadata={PARSER: check_url})
    root_public_key: tuple[EcPublicKey, ...] = field(metadata={PARSER: root_keys})
    token_header: str = field(default="OAuth-Client-Attestation", metadata={PARSER: header})
    proof_header: str = field(default="DPoP", metadata={PARSER: header})
    external_origin: str = field(default="", metadata={PARSER: origin_or_none})
    origin_secret_hashes: tuple[bytes, ...] = field(default=(), metadata={PARSER: origin_secrets})
