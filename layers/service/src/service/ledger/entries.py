"""What the ledger says: one entry for each published version of a policy, each trust bundle, each state of a known
build. No person, no key and no document stands in it, but digests of what was published.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, NamedTuple

POLICY: Final = "policy"
BUNDLE: Final = "bundle"
BUILD: Final = "build"

_MEMBERS: Final[Mapping[str, Mapping[str, type]]] = {
    POLICY: {"app": str, "version": int, "digest": str, "at": int},
    BUNDLE: {"issuer": str, "version": int, "digest": str, "at": int},
    BUILD: {"app": str, "platform": str, "build": str, "digest": str, "at": int},
}


class Subject(NamedTuple):
    """What an entry is about: policies of an app, bundles of an issuer, or one build of an app."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was published. ``digest`` is a hexadecimal SHA-256 of it; ``version`` is 0 for a build; ``at`` is
    the time that the stack gave it (Unix seconds)."""

    subject: Subject
    version: int
    digest: str
    at: int

    def to_bytes(self) -> bytes:
        """As it stands in the log: compact JSON, members in order."""
        members: dict[str, Any] = {"kind": self.subject.kind, "digest": self.digest, "at": self.at}
        if self.subject.kind == BUILD:
            app, platform, build = json.loads(self.subject.name)
            members |= {"app": app, "platform": platform, "build": build}
        else:
            members |= {"app" if self.subject.kind == POLICY else "issuer": self.subject.name, "version": self.version}
        return json.dumps(members, separators=(",", ":"), sort_keys=True).encode()


class EntryUnreadable(Exception):
    """An entry of the log that says something else than entries do."""


def read_entry(data: bytes) -> Entry:
    """An entry of the log. Raises :class:`EntryUnreadable`: only what :meth:`Entry.to_bytes` makes is one."""
    try:
        members = json.loads(data)
        kinds = _MEMBERS[members["kind"]]
        if members.keys() - {"kind"} != kinds.keys() or any(type(members[name]) is not kinds[name] for name in kinds):
            raise EntryUnreadable("an entry has members that it should not have")
        match members["kind"]:
            case "policy":
                entry = policy_entry(members["app"], members["version"], members["digest"], members["at"])
            case "bundle":
                entry = _bundle(members["issuer"], members["version"], members["digest"], members["at"])
            case _:
                subject = build_subject(members["app"], members["platform"], members["build"])
                entry = Entry(subject, 0, members["digest"], members["at"])
        if entry.to_bytes() != data:
            raise EntryUnreadable("an entry is not spelt as entries are")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise EntryUnreadable("an entry cannot be read") from None
    return entry


def policy_entry(app: str, version: int, digest: str, at: int) -> Entry:
    """A version of an app's policy; ``digest`` is that of its documents (:func:`service.policies.digest.digest_of`)."""
    return Entry(Subject(POLICY, app), version, digest, at)


def bundle_entry(issuer: str, version: int, jws: str, at: int) -> Entry:
    """A trust bundle: the digest is that of its text."""
    return _bundle(issuer, version, sha256(jws.encode()).hexdigest(), at)


def build_entry(app: str, platform: str, build: str, parts: Mapping[str, Iterable[str]], at: int) -> Entry:
    """A state of a known build: the digest is that of its parts and what each may be, whatever their order."""
    known = {name: sorted(digests) for name, digests in parts.items()}
    text = json.dumps(known, separators=(",", ":"), sort_keys=True)
    return Entry(build_subject(app, platform, build), 0, sha256(text.encode()).hexdigest(), at)


def build_subject(app: str, platform: str, build: str) -> Subject:
    """What entries of a build are about."""
    return Subject(BUILD, json.dumps([app, platform, build], separators=(",", ":")))


def app_of_build(subject: Subject) -> str:
    """The app of a build's subject."""
    return str(json.loads(subject.name)[0])


def _bundle(issuer: str, version: int, digest: str, at: int) -> Entry:
    return Entry(Subject(BUNDLE, issuer), version, digest, at)


@dataclass(slots=True)
class State:
    """What a log has said so far: of each subject the last version and its digest."""

    last: dict[Subject, tuple[int, str]] = field(default_factory=dict)

    def version(self, subject: Subject) -> int:
        """The last version of a subject in the log; 0 for none."""
        return self.last.get(subject, (0, ""))[0]

    def apps(self) -> set[str]:
        """Apps whose policies are in the log."""
        return {subject.name for subject in self.last if subject.kind == POLICY}

    def lacks(self, entry: Entry) -> bool:
        """Whether this is news: a later version, or a build that is not as it was said last."""
        version, digest = self.last.get(entry.subject, (0, ""))
        return digest != entry.digest if entry.subject.kind == BUILD else entry.version > version

    def add(self, entry: Entry) -> None:
        """An entry stands in the log."""
        self.last[entry.subject] = (entry.version, entry.digest)

    def to_json(self) -> bytes:
        """For the next run."""
        rows = [[*subject, *said] for subject, said in sorted(self.last.items())]
        return json.dumps(rows, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> State:
        """Raises :class:`ValueError` for something else."""
        try:
            rows = json.loads(data)
            return cls({Subject(str(kind), str(name)): (int(v), str(digest)) for kind, name, v, digest in rows})
        except (TypeError, RecursionError) as error:
            raise ValueError("the state of the ledger cannot be read") from error


def news(state: State, found: Iterable[Entry]) -> Iterator[Entry]:
    """Those of ``found`` that the log lacks, each once, in the order in which they were found."""
    seen = State(dict(state.last))
    for entry in found:
        if seen.lacks(entry):
            seen.add(entry)
            yield entry
