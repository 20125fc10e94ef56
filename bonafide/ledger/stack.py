"""What a stack itself shows of its publications, to compare with its ledger."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from bonafide_tokens.errors import Reason, TokenError
from bonafide_tokens.jose import EcPublicKey, JwsKind, read_json_object, read_jws
from bonafide_tokens.trust_bundle import MAX_TRUST_BUNDLE_CHARACTERS, TRUST_BUNDLE_TYPE
from service.ledger.entries import Entry, build_entry
from service.policies.digest import digest_of

from bonafide.ledger.audit import PublishedVersion
from bonafide.operator.admin_api import AdminCalls, AdminProblem, segment
from bonafide.operator.errors import OperatorError
from bonafide.operator.known_builds import Builds

_KIND: Final = JwsKind(TRUST_BUNDLE_TYPE, MAX_TRUST_BUNDLE_CHARACTERS, Reason.BUNDLE_INVALID)
_SECONDS: Final = 20.0
_PAGE: Final = 500
_UNREADABLE: Final = "try-later"
"""The end of the problem type by which the Admin API says that a row cannot be read."""


class HeldBundle(NamedTuple):
    """A trust bundle as a gate holds it: the text, and what it says of itself. ``issued_at`` is Unix seconds."""

    jws: str
    issuer: str
    version: int
    issued_at: int


@dataclass(frozen=True, slots=True)
class StackShows:
    """One stack, through its Admin API. Every method raises :class:`~bonafide.operator.errors.OperatorError`."""

    api: AdminCalls

    def policies(self) -> dict[str, list[PublishedVersion]]:
        """Every version of every app's policy, by the digest of its documents as they are now."""
        apps = [str(one["app"]) for one in self.api.call("GET", "/admin/apps")["apps"]]
        return {app: list(self._versions(app)) for app in apps}

    def _versions(self, app: str) -> Iterator[PublishedVersion]:
        before = ""
        while True:
            page = self.api.call("GET", f"/admin/policies/{segment(app)}/history?limit={_PAGE}{before}")["versions"]
            for one in page:
                yield self._version(app, PublishedVersion(int(one["version"]), str(one["digest"]), int(one["at"])))
            if len(page) < _PAGE:
                return
            before = f"&before={page[-1]['version']}"

    def _version(self, app: str, listed: PublishedVersion) -> PublishedVersion:
        """A version by its documents. What the stack says of their digest is no proof of them."""
        try:
            shown = self.api.call("GET", f"/admin/policies/{segment(app)}/versions/{listed.version}")
        except AdminProblem as problem:
            if problem.slug != _UNREADABLE:
                raise
            return listed._replace(readable=False)
        return listed._replace(digest=digest_of(str(shown["appraisal"]), str(shown["client"])))


def shown_builds(builds: Builds, apps: Iterable[str]) -> Iterator[Entry]:
    """The state of every known build of these apps, as entries have it. Raises
    :class:`~bonafide.operator.errors.OperatorError`."""
    for app in apps:
        try:
            for one in builds.list(app):
                yield build_entry(app, one.platform, one.build, one.parts, one.updated_at or 0)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise OperatorError(f"A row of the builds table cannot be read, of {app}.") from error


def served_bundle(verifier_url: str) -> str:
    """The trust bundle that a stack serves at this moment. Raises :class:`~bonafide.operator.errors.OperatorError`."""
    url = f"{verifier_url}/v1/trust-bundle"
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
            return str(answer.read(MAX_TRUST_BUNDLE_CHARACTERS + 1).decode("ascii"))
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise OperatorError(f"{url} gives no trust bundle: {error}.") from error


def read_bundle(text: str, roots: tuple[EcPublicKey, ...]) -> HeldBundle:
    """A bundle that one of the root keys signed, also one that expired. Raises
    :class:`~bonafide.operator.errors.OperatorError`."""
    jws = text.strip()
    try:
        parsed = read_jws(jws, _KIND)
        if not any(map(parsed.signed_by, roots)):
            raise OperatorError("The trust bundle is not signed by the root key.")
        claims = read_json_object(parsed.payload)
    except TokenError as error:
        raise OperatorError("This is no trust bundle.") from error
    issuer, version, issued_at = (claims.get(name) for name in ("iss", "version", "iat"))
    if not isinstance(issuer, str) or type(version) is not int or type(issued_at) is not int:
        raise OperatorError("The trust bundle lacks a member.")
    return HeldBundle(jws, issuer, version, issued_at)
