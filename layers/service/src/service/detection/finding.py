"""What a detector says: a finding. One that is kept and told is an incident.

Texts in it may come from devices: they are cut to their bounds here, shown as text, and nothing is decided by them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

Scope = Literal["key", "batch", "network", "population"]
"""``key``: names keys, or a certificate of one device; a policy may lower their trust. ``batch``, ``network``: may only
warn. ``population``: names no key, and no policy sees it."""
RemedyKind = Literal["rule", "register-build", "wait", "block", "look"]

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
REMEDIES: Final[tuple[RemedyKind, ...]] = get_args(RemedyKind)

ALL_APPS: Final = "-"
"""The app of incidents that concern all apps; a finding of them names the empty app."""
MAX_SUBJECT: Final = 200
MAX_KEYS: Final = 100
MAX_ISSUERS: Final = 8
MAX_NAMED: Final = 12
MAX_NAMED_OCTETS: Final = 96
MAX_COUNTS: Final = 12
MAX_SENTENCES: Final = 8
MAX_SENTENCE: Final = 400
"""Characters of the title, of each sentence, and of the remedy's text and command."""
MAX_RULE: Final = 2_000

_NAME: Final = re.compile("[a-z][a-z0-9-]{0,31}", re.ASCII)
_CUT: Final = "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What an operator can do. ``rule`` is a drafted rule in Cedar and ``command`` a command to run, each empty where
    there is none."""

    kind: RemedyKind
    text: str
    rule: str = ""
    command: str = ""

    def __post_init__(self) -> None:
        if self.kind not in REMEDIES:
            raise ValueError(f"no kind of remedy: {self.kind!r}")
        _set(self, text=_cut(self.text), rule=self.rule[:MAX_RULE], command=_cut(self.command))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one detector found about one subject. Raises :class:`ValueError` for a detector, scope, subject, time or
    confidence that cannot be; longer texts and lists are cut.

    ``subject`` is stable as long as the finding lasts and never a certificate or an address as such; it and the
    detector name the incident (:func:`incident_id`). ``app`` is empty where all apps are concerned. ``since`` and
    ``last`` are the times of the first and the latest decision that it rests on (Unix seconds); ``quiet_after`` is for
    how many seconds nothing new may come before it has ended by itself. ``because`` are sentences with the numbers.
    ``issuers`` are the marks of the certificates that it is about, as sightings have them: keys that enrol under one
    are named at their enrolment already.
    ``own_signer_share`` is the share of decisions whose app was signed by the app's own signer, as hardware attests.
    """

    detector: str
    subject: str
    app: str
    since: float
    last: float
    title: str
    counts: Mapping[str, int]
    keys: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)
    confidence: float
    because: tuple[str, ...]
    scope: Scope
    remedy: Remedy
    quiet_after: float
    own_signer_share: float | None = None

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.detector) is None:
            raise ValueError(f"no name of a detector: {self.detector!r}")
        if self.scope not in SCOPES:
            raise ValueError(f"no scope: {self.scope!r}")
        if not 0 < len(self.subject) <= MAX_SUBJECT:
            raise ValueError("a subject has 1 to 200 characters")
        if not (0.0 <= self.confidence <= 1.0 and self.since <= self.last and self.quiet_after > 0):
            raise ValueError("a confidence is between 0 and 1, times are in order")
        if self.scope == "population" and (self.keys or self.issuers):
            raise ValueError("a finding of the population names no keys")
        _set(
            self,
            title=_cut(self.title),
            counts={name: int(value) for name, value in list(self.counts.items())[:MAX_COUNTS]},
            keys=tuple(dict.fromkeys(self.keys))[:MAX_KEYS],
            issuers=tuple(dict.fromkeys(filter(None, self.issuers)))[:MAX_ISSUERS],
            named={name: octets_of(value) for name, value in list(self.named.items())[:MAX_NAMED]},
            because=tuple(map(_cut, self.because[:MAX_SENTENCES])),
        )


def incident_id(finding: Finding) -> str:
    """The id of the incident that a finding makes: the detector's name, and a digest of app, detector and subject. The
    same finding has the same id, also when it comes back after an end."""
    parts = (finding.app, finding.detector, finding.subject)
    digest = hashlib.sha256(b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts))
    return f"{finding.detector}-{digest.hexdigest()[:20]}"


def octets_of(text: str, most: int = MAX_NAMED_OCTETS) -> str:
    """The beginning of a text that takes at most ``most`` octets."""
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SENTENCE else text[: MAX_SENTENCE - 1] + _CUT


def _set(value: object, /, **members: object) -> None:
    for name, member in members.items():
        object.__setattr__(value, name, member)
