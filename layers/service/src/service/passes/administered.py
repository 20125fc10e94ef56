"""Minting, listing and revoking test passes, for the Admin API of a test stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from attestation.claims import Platform, key_id_of
from attestation.passes.id_token import CiIssuer
from attestation.passes.pass_document import DevelopmentPass, sign_development_pass
from bonafide_tokens.jose import EcPublicKey

from service.errors import ChangeRefused, NotKnown, Overtaken
from service.keys.kms import RootKey
from service.passes.rows import PassRow, PassRows, issuer_of
from service.tables.audit import AuditEntry, DynamoDBAudit
from service.transactions import transact
from service.vendors.outbound import check_url

_WHAT: Final = "dynamodb:TransactWriteItems attested_keys"


@dataclass(frozen=True, slots=True)
class AdministeredPasses:
    """The passes of one stage. Every method raises :class:`~service.errors.Unavailable`; an ``entry`` is written with
    its change or not at all."""

    rows: PassRows
    audit: DynamoDBAudit
    root_key: RootKey
    issuer: str
    stage: str

    def mint(
        self,
        *,
        app: str,
        key: EcPublicKey,
        platform: Platform,
        pass_id: str,
        seconds: int,
        builds: tuple[str | None, str | None],
        by: str,
        note: str,
        entry: AuditEntry,
        now: float,
    ) -> tuple[str, dict[str, object]]:
        """A pass from ``now`` on, and what is kept of it. It is signed first: what is kept and cannot be used would
        only be in the way."""
        issued_at = int(now)
        given = DevelopmentPass(
            self.issuer, self.stage, app, platform, key, pass_id, issued_at, issued_at + seconds, *builds
        )
        text = sign_development_pass(given, sign=self.root_key.sign)
        row = PassRow(
            pass_id=pass_id,
            app=app,
            holder=key_id_of(key.point),
            platform=platform.value,
            source="operator",
            by=by,
            minted_at=issued_at,
            ends_at=given.expires_at,
            least_build=builds[0],
            most_build=builds[1],
            note=note,
        )
        parts = {"pass": self.rows.adding(row), "entry": self.audit.adding(entry)}
        if transact(self.rows.client, parts, what=_WHAT, written=lambda: self.audit.has(entry)):
            raise Overtaken("A pass of this name is there.")
        return text, row.to_record()

    def of_app(self, app: str, now: float) -> tuple[list[dict[str, object]], bool]:
        """The passes of an app, the newest first, those that ended among them; and whether these are all."""
        found, whole = self.rows.of_app(app)
        return [{**row.to_record(), "ended": row.ends_at <= now} for row in found], whole

    def revoke(self, pass_id: str, app: str, entry: AuditEntry) -> PassRow:
        """Revoke a pass; one that is revoked stays so. What is left is its key, for the caller to block. Raises
        :class:`~service.errors.NotKnown`."""
        parts = {"pass": self.rows.revoking(pass_id, app), "entry": self.audit.adding(entry)}
        if transact(self.rows.client, parts, what=_WHAT, written=lambda: self.audit.has(entry)):
            raise NotKnown(f"{app} has no test pass {pass_id}.")
        row = self.rows.find(pass_id)
        if row is None:
            raise NotKnown(f"{app} has no test pass {pass_id}.")
        return row

    def issuers(self, app: str) -> list[dict[str, Any]]:
        """Whom an app trusts, JSON-ready."""
        return [asdict(issuer) for issuer in self.rows.issuers(app)]

    def trust(self, app: str, given: Sequence[Mapping[str, Any]], entry: AuditEntry) -> None:
        """Trust these from now on. Raises :class:`~service.errors.ChangeRefused` for one that cannot be meant."""
        issuers = tuple(_checked(members) for members in given)
        parts = {"issuers": self.rows.trusting(app, issuers), "entry": self.audit.adding(entry)}
        transact(self.rows.client, parts, what=_WHAT, written=lambda: self.audit.has(entry))


def _checked(members: Mapping[str, Any]) -> CiIssuer:
    for name in ("issuer", "jwks_uri"):
        try:
            check_url(members[name])
        except ValueError as error:
            raise ChangeRefused(f"{name} {error}.") from None
    if "?" in members["issuer"] or "sub" in members["claims"] or "aud" in members["claims"]:
        raise ChangeRefused("An issuer has no query, and sub and aud are pinned by members of their own.")
    try:
        return issuer_of(members)
    except ValueError as error:
        raise ChangeRefused(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
