"""The region document: which regions a stack has, which of them are lost, and who took over.

A compact JWS by the root key, ``typ`` ``bonafide-regions+jwt``, ES256. Its claims: ``iss``, ``epoch`` (grows by one
with every change), ``iat``, ``regions`` {name: {``state``, ``since``, ``at``, ``url``, ``adopted_by``}},
``administration``, ``first``. It fences: a region that finds itself lost redeems nothing, and no function takes an
older epoch than it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from bonafide_tokens import jose
from bonafide_tokens.errors import Reason, TokenError
from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.signing import es256_from_der, jws_signing_input

from service.errors import ChangeRefused
from service.regions.names import is_region_name

REGIONS_TYPE: Final = "bonafide-regions+jwt"
MOST_REGIONS: Final = 16
_MAX_CHARACTERS: Final = 32_768
_KIND: Final = jose.JwsKind(REGIONS_TYPE, _MAX_CHARACTERS, Reason.BUNDLE_INVALID)
_MAX_URL: Final = 512


class DocumentInvalid(ValueError):
    """A region document that is not ours, or says what cannot be. The text holds nothing of it."""


@unique
class RegionState(StrEnum):
    """``LOST`` regions redeem nothing: another has adopted their keys."""

    ACTIVE = "active"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One region. ``since`` is the epoch in which it became what it is, ``at`` the time of that (Unix seconds), ``url``
    its verifier's base URL, ``adopted_by`` the region that serves its keys while it is lost."""

    state: RegionState
    since: int
    at: int
    url: str
    adopted_by: str = ""

    @property
    def is_active(self) -> bool:
        """Whether it redeems challenges."""
        return self.state is RegionState.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionDocument:
    """An opened document. ``administration`` is the region in which policies, apps and keys are administered; rows that
    name no home are at home in ``first``, the region that the stack had before it had several."""

    issuer: str
    epoch: int
    issued_at: int
    regions: Mapping[str, Region]
    administration: str
    first: str

    def serving(self, home: str) -> str:
        """The region that serves what is at home in ``home`` (empty: in the first). Raises :class:`KeyError` for a
        region that the document does not know."""
        name = home or self.first
        while not self.regions[name].is_active:
            name = self.regions[name].adopted_by
        return name

    def label(self, name: str) -> str:
        """What is sealed into challenges of a region: its name, and the epoch in which it became active. One that was
        lost and came back takes none of those from before. The first region's are as before it had a name, until then.
        Raises :class:`KeyError`."""
        since = self.regions[name].since
        return "" if name == self.first and not since else f"{name} {since}"


def founded(issuer: str, name: str, url: str, *, now: float) -> RegionDocument:
    """The first document of a stack: its one region, which goes on as it is. This and those below raise
    :class:`~service.errors.ChangeRefused`."""
    region = Region(state=RegionState.ACTIVE, since=0, at=int(now), url=url)
    return _possible(
        RegionDocument(
            issuer=issuer, epoch=1, issued_at=int(now), regions={name: region}, administration=name, first=name
        )
    )


def with_region(document: RegionDocument, name: str, url: str, *, now: float) -> RegionDocument:
    """The next document, with a new region."""
    if name in document.regions:
        raise ChangeRefused(f"There is a region {name} already.")
    region = Region(state=RegionState.ACTIVE, since=document.epoch + 1, at=int(now), url=url)
    return _next(document, now, {name: region})


def losing(document: RegionDocument, name: str, adopter: str, *, now: float) -> RegionDocument:
    """The next document, in which ``name`` is lost, and ``adopter`` serves its keys, and those that it had adopted."""
    lost, taking = _known(document, name), _known(document, adopter)
    if not lost.is_active:
        raise ChangeRefused(f"Region {name} is lost already, since epoch {lost.since}.")
    if name == adopter or not taking.is_active:
        raise ChangeRefused("Another region that is active must adopt the keys.")
    gone = replace(lost, state=RegionState.LOST, since=document.epoch + 1, at=int(now), adopted_by=adopter)
    administration = adopter if document.administration == name else document.administration
    return replace(_next(document, now, {name: gone}), administration=administration)


def restoring(document: RegionDocument, name: str, *, now: float) -> RegionDocument:
    """The next document, in which ``name`` is active again. Keys that renewed elsewhere meanwhile stay there."""
    lost = _known(document, name)
    if lost.is_active:
        raise ChangeRefused(f"Region {name} is active.")
    back = replace(lost, state=RegionState.ACTIVE, since=document.epoch + 1, at=int(now), adopted_by="")
    return _next(document, now, {name: back})


def administered_in(document: RegionDocument, name: str, *, now: float) -> RegionDocument:
    """The next document, with the administration in ``name``."""
    if not _known(document, name).is_active:
        raise ChangeRefused(f"Region {name} is lost.")
    if document.administration == name:
        raise ChangeRefused(f"The administration is in {name} already.")
    return replace(_next(document, now, {}), administration=name)


def signed_anew(document: RegionDocument, *, now: float) -> RegionDocument:
    """The next document, which says the same: before an old root key is dropped, a new one must have signed it."""
    return _next(document, now, {})


def sign_regions(document: RegionDocument, *, sign: Callable[[bytes], bytes]) -> str:
    """The document as a compact JWS. ``sign`` is as for :func:`~bonafide_tokens.signing.sign_trust_bundle`."""
    claims: dict[str, object] = {
        "iss": document.issuer,
        "epoch": document.epoch,
        "iat": document.issued_at,
        "regions": {name: _to_json(region) for name, region in sorted(document.regions.items())},
        "administration": document.administration,
        "first": document.first,
    }
    text = jws_signing_input({"alg": "ES256", "typ": REGIONS_TYPE}, claims)
    return f"{text}.{jose.b64url_encode(es256_from_der(sign(sha256(text.encode('ascii')).digest())))}"


def open_regions(jws: str, *, roots: Iterable[EcPublicKey], issuer: str) -> RegionDocument:
    """Open a document: ours, by one of the root keys. The caller, who knows the last epoch, checks that it does not go
    back; a document has no end. Raises :class:`DocumentInvalid`."""
    try:
        parsed = jose.read_jws(jws, _KIND)
        if not any(parsed.signed_by(root) for root in roots):
            raise DocumentInvalid("not signed by a root key")
        claims = jose.read_json_object(parsed.payload)
    except TokenError as error:
        raise DocumentInvalid(error.detail) from error
    if claims.get("iss") != issuer:
        raise DocumentInvalid("another stack's document")
    regions = claims.get("regions")
    if type(regions) is not dict:
        raise DocumentInvalid("regions is not an object")
    return _checked(
        RegionDocument(
            issuer=issuer,
            epoch=_whole(claims, "epoch"),
            issued_at=_whole(claims, "iat"),
            regions={name: _region(region) for name, region in regions.items()},
            administration=str(claims.get("administration", "")),
            first=str(claims.get("first", "")),
        )
    )


def claimed_epoch(jws: str) -> int:
    """The epoch that a text claims, by any signer; 0 for what is no document."""
    try:
        return _whole(jose.read_json_object(jose.read_jws(jws, _KIND).payload), "epoch")
    except (TokenError, DocumentInvalid):
        return 0


def newest_document(
    texts: Iterable[str], known: RegionDocument | None, *, roots: tuple[EcPublicKey, ...], issuer: str
) -> RegionDocument | None:
    """The document of the highest epoch, or ``known`` where none is newer. A text that is no document of ours counts
    for nothing: an attacker who can write the table, and not use the root key, can declare no region lost. One who can
    delete its rows brings a lost region back where ``known`` is none, as in a process that starts: an older document
    is the newest then."""
    newest = known
    for text in texts:
        try:
            found = open_regions(text, roots=roots, issuer=issuer)
        except DocumentInvalid:
            continue
        if newest is None or found.epoch > newest.epoch:
            newest = found
    return newest


def _next(document: RegionDocument, now: float, changed: Mapping[str, Region]) -> RegionDocument:
    regions = {**document.regions, **changed}
    return _possible(replace(document, epoch=document.epoch + 1, issued_at=int(now), regions=regions))


def _possible(document: RegionDocument) -> RegionDocument:
    try:
        return _checked(document)
    except DocumentInvalid as error:
        raise ChangeRefused(f"That cannot be: {error}.") from error


def _known(document: RegionDocument, name: str) -> Region:
    region = document.regions.get(name)
    if region is None:
        raise ChangeRefused(f"There is no region {name[:32]}: there are {', '.join(sorted(document.regions))}.")
    return region


def _checked(document: RegionDocument) -> RegionDocument:
    """The document, where what it says can be."""
    regions = document.regions
    if not 0 < len(regions) <= MOST_REGIONS or not all(map(is_region_name, regions)):
        raise DocumentInvalid(f"there are one to {MOST_REGIONS} regions, named by small letters, digits and hyphens")
    if document.first not in regions or document.administration not in regions:
        raise DocumentInvalid("first and administration are among the regions")
    if document.epoch < 1:
        raise DocumentInvalid("an epoch is at least 1")
    for name, region in regions.items():
        if not 0 <= region.since <= document.epoch or (not region.since and name != document.first):
            raise DocumentInvalid("a region is what it is since an epoch of the past")
        if not region.url.startswith(("https://", "http://127.0.0.1:")) or len(region.url) > _MAX_URL:
            raise DocumentInvalid("a region's url begins with https://")
        adopters = set[str]()
        while not regions[name].is_active:
            adopters.add(name)
            name = regions[name].adopted_by
            if name not in regions or name in adopters:
                raise DocumentInvalid("the keys of a lost region are adopted by one that is active")
    return replace(document, regions=MappingProxyType(dict(regions)))


def _to_json(region: Region) -> dict[str, object]:
    told: dict[str, object] = {"state": region.state.value, "since": region.since, "at": region.at, "url": region.url}
    return told if region.is_active else {**told, "adopted_by": region.adopted_by}


def _region(claims: Any) -> Region:
    if type(claims) is not dict or claims.get("state") not in tuple(RegionState):
        raise DocumentInvalid("a region is an object with a state")
    state, adopter, url = RegionState(claims["state"]), claims.get("adopted_by", ""), claims.get("url")
    if type(adopter) is not str or type(url) is not str or (state is RegionState.ACTIVE and adopter):
        raise DocumentInvalid("a region has a url, and adopted_by while it is lost")
    return Region(state=state, since=_whole(claims, "since"), at=_whole(claims, "at"), url=url, adopted_by=adopter)


def _whole(claims: Mapping[str, object], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise DocumentInvalid(f"{name} is not a whole number")
    return value
