"""An artefact: a built app as a file, and what registration takes from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bonafide.operator.errors import OperatorError


class ArtefactError(OperatorError):
    """The file is not a built app that can be registered. The message is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """One certificate that evidence may name as the artefact's signer: its SHA-256 in hex, and where it stands.

    ``scheme`` groups certificates of one signature.
    """

    digest: str
    scheme: str
    detail: str = ""

    @property
    def role(self) -> str:
        """For people: ``signature v3.1, from Android 13``."""
        return f"signature {self.scheme}, {self.detail}" if self.detail else f"signature {self.scheme}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """What was read from one file.

    ``platform`` is ``apple``, ``android`` or ``harmony``; ``name`` the package, bundle id or bundle name; ``app_ids``
    its ids as evidence spells them (iOS, HarmonyOS). ``build`` is the number that evidence and client data carry
    (versionCode, CFBundleVersion), ``version_name`` what people see. ``parts`` is the baseline, part → SHA-256 in hex.
    ``lineage`` has the digests of certificates that vouch for each other, oldest first (Android's proof of rotation).
    ``remarks`` say what could not be checked, or what the operator should know.
    """

    platform: str
    name: str
    build: str
    version_name: str | None = None
    app_ids: tuple[str, ...] = ()
    app_identifiers: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    signers: tuple[Signer, ...] = ()
    lineage: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def signing_digests(self) -> tuple[str, ...]:
        """Each signer's digest once, in the order found."""
        return tuple(dict.fromkeys(signer.digest for signer in self.signers))

    def to_record(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "platform": self.platform,
            "name": self.name,
            "build": self.build,
            "version_name": self.version_name,
            "app_ids": list(self.app_ids),
            "app_identifiers": list(self.app_identifiers),
            "environments": list(self.environments),
            "signers": [{"digest": signer.digest, "role": signer.role} for signer in self.signers],
            "parts": dict(self.parts),
            "remarks": list(self.remarks),
        }
