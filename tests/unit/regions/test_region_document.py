"""Region documents: what they may say, who signs them, and that no challenge is ever at home in two places."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest
from attestation.challenge import issue_challenge, open_challenge
from attestation.errors import Reason, RejectedEvidence
from bonafide_tokens.jose import b64url_decode, b64url_encode
from bonafide_tokens.signing import es256_from_der, jws_signing_input
from hypothesis import given, settings
from hypothesis import strategies as st
from service.errors import ChangeRefused, Unavailable, WrongRegion
from service.regions import document as documents
from service.regions.document import DocumentInvalid, RegionDocument, newest_document, open_regions, sign_regions
from service.regions.homes import Homes, RegionView
from service.regions.names import REPLICATED

from devkit.local.provision import TABLES
from tests.service_stack.fakes import SoftwareRootKey
from tests.service_stack.memory_stack import ISSUER, NOW
from tests.unit.regions.two_regions import EU, URLS, US, two_regions_document

ROOT = SoftwareRootKey()
ROOTS = (ROOT.public_key(),)
KEY = bytes(range(32))
NAMES = (EU, US, "ap")


def signed(document: RegionDocument) -> str:
    return sign_regions(document, sign=ROOT.sign)


def test_document_opens_as_it_was_signed() -> None:
    document = documents.losing(two_regions_document(), EU, US, now=NOW)
    assert open_regions(signed(document), roots=ROOTS, issuer=ISSUER) == document
    assert (document.epoch, document.administration, document.serving(""), document.serving(EU)) == (3, US, US, US)


def test_lost_regions_are_served_by_who_adopted_the_adopter() -> None:
    three = documents.with_region(two_regions_document(), "ap", "https://ap.example", now=NOW)
    both = documents.losing(documents.losing(three, EU, US, now=NOW), US, "ap", now=NOW)
    assert {both.serving(name) for name in ("", EU, US, "ap")} == {"ap"}
    assert both.administration == "ap"
    with pytest.raises(ChangeRefused, match="Another region that is active"):
        documents.losing(both, "ap", US, now=NOW)


def _changed(claims: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> str:
    change(claims)
    text = jws_signing_input({"alg": "ES256", "typ": "bonafide-regions+jwt"}, claims)
    return f"{text}.{b64url_encode(es256_from_der(ROOT.sign(sha256(text.encode()).digest())))}"


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(iss="another"),
        lambda c: c.update(epoch=0),
        lambda c: c.update(epoch="3"),
        lambda c: c.update(epoch=True),
        lambda c: c.update(regions={}),
        lambda c: c.update(regions=[]),
        lambda c: c.update(first="nowhere"),
        lambda c: c.update(administration=""),
        lambda c: c["regions"].update({"EU": c["regions"]["us"]}),
        lambda c: c["regions"]["us"].update(state="gone"),
        lambda c: c["regions"]["us"].update(state="lost"),
        lambda c: c["regions"]["us"].update(state="lost", adopted_by="us"),
        lambda c: c["regions"]["us"].update(adopted_by="eu"),
        lambda c: c["regions"]["us"].update(since=9),
        lambda c: c["regions"]["us"].update(since=0),
        lambda c: c["regions"]["us"].update(url="http://us.example"),
        lambda c: c["regions"]["us"].pop("at"),
        lambda c: c["regions"].update(us="active"),
        lambda c: [
            one.update(state="lost", adopted_by=by) for one, by in zip(c["regions"].values(), ("us", "eu"), strict=True)
        ],
    ],
)
def test_document_that_says_what_cannot_be_is_none(change: Callable[[dict[str, Any]], object]) -> None:
    claims = json.loads(b64url_decode(signed(two_regions_document()).split(".")[1]))
    with pytest.raises(DocumentInvalid):
        open_regions(_changed(claims, change), roots=ROOTS, issuer=ISSUER)


def test_document_of_another_root_is_none() -> None:
    text = sign_regions(two_regions_document(), sign=SoftwareRootKey().sign)
    with pytest.raises(DocumentInvalid):
        open_regions(text, roots=ROOTS, issuer=ISSUER)
    assert open_regions(signed(two_regions_document()), roots=(SoftwareRootKey().public_key(), *ROOTS), issuer=ISSUER)


def test_older_epoch_is_never_taken() -> None:
    older = two_regions_document()
    newer = documents.losing(older, EU, US, now=NOW)
    view = Homes(region=EU, issuer=ISSUER, roots=ROOTS).view([signed(older), signed(newer)], None)
    assert view.document == newer
    assert Homes(region=EU, issuer=ISSUER, roots=ROOTS).view([signed(older)], view).document == newer
    assert newest_document(["", "a.b.c", signed(older)], None, roots=ROOTS, issuer=ISSUER) == older


def test_region_that_no_document_names_serves_nothing() -> None:
    for view in (RegionView(EU), RegionView("ap", two_regions_document())):
        with pytest.raises(Unavailable):
            view.label()
    with pytest.raises(Unavailable):
        RegionView(US, two_regions_document()).require_home("ap")  # of a newer epoch than this function knows
    with pytest.raises(WrongRegion) as caught:
        RegionView(US, two_regions_document()).require_home("")
    assert caught.value.home == EU


def test_tables_that_are_shared_are_tables_of_the_template() -> None:
    assert set(REPLICATED) <= TABLES.keys()
    assert {"nonces", "trust_bundles", "tallies", "detector_state", "incidents", "play_requests"}.isdisjoint(REPLICATED)


_STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "lose", "restore", "administer", "sign"]), *[st.sampled_from(NAMES)] * 2),
    max_size=12,
)


def _lives(steps: list[tuple[str, str, str]]) -> list[RegionDocument]:
    """The documents of one stack, epoch by epoch; steps that cannot be are left out."""
    lived = [documents.founded(ISSUER, EU, URLS[EU], now=NOW)]
    for verb, name, other in steps:
        try:
            match verb:
                case "add":
                    lived.append(documents.with_region(lived[-1], name, f"https://{name}.example", now=NOW))
                case "lose":
                    lived.append(documents.losing(lived[-1], name, other, now=NOW))
                case "restore":
                    lived.append(documents.restoring(lived[-1], name, now=NOW))
                case "administer":
                    lived.append(documents.administered_in(lived[-1], name, now=NOW))
                case _:
                    lived.append(documents.signed_anew(lived[-1], now=NOW))
        except ChangeRefused:
            continue
    return lived


def _label(view: RegionView) -> str | None:
    try:
        return view.label()
    except Unavailable:
        return None


@given(steps=_STEPS)
@settings(max_examples=40, deadline=None)
def test_challenge_of_one_region_redeems_in_no_other_under_any_epoch(steps: list[tuple[str, str, str]]) -> None:
    """Whichever documents two regions have met: a partition may last as long as it likes."""
    sealed: dict[str, set[str]] = {}
    for document in _lives(steps):
        for name in document.regions:
            label = _label(RegionView(name, document))
            if label is not None:
                sealed.setdefault(label, set()).add(name)
    assert all(len(regions) == 1 for regions in sealed.values())


@given(steps=_STEPS)
@settings(max_examples=40, deadline=None)
def test_region_that_came_back_takes_no_challenge_from_before(steps: list[tuple[str, str, str]]) -> None:
    lived = _lives(steps)
    for name in NAMES:
        labels = [_label(RegionView(name, document)) for document in lived if name in document.regions]
        ended = set[str]()
        for before, after in pairwise(labels):
            ended |= {before} if before is not None and before != after else set()
            assert after not in ended


@given(steps=_STEPS)
@settings(max_examples=40, deadline=None)
def test_every_key_has_one_region_that_serves_it(steps: list[tuple[str, str, str]]) -> None:
    for document in _lives(steps):
        for home in ("", *document.regions):
            serving = [name for name in document.regions if _serves(RegionView(name, document), home)]
            assert len(serving) == 1


def _serves(view: RegionView, home: str) -> bool:
    try:
        view.require_home(home)
    except (Unavailable, WrongRegion):
        return False
    return True


@given(
    here=st.text(st.characters(codec="utf-8"), max_size=40), there=st.text(st.characters(codec="utf-8"), max_size=40)
)
@settings(max_examples=100, deadline=None)
def test_challenge_opens_under_its_own_home_alone(here: str, there: str) -> None:
    challenge = issue_challenge(app="demo", key=KEY, random=bytes(16), now=NOW, home=here)
    assert len(challenge) == 64
    assert open_challenge(challenge, keys=(KEY,), lifetime=300, now=NOW, home=here)
    if there != here:
        with pytest.raises(RejectedEvidence) as caught:
            open_challenge(challenge, keys=(KEY,), lifetime=300, now=NOW, home=there)
        assert caught.value.reason is Reason.CHALLENGE_FORGED


def test_documents_are_not_changed_by_what_follows_them() -> None:
    document = two_regions_document()
    with pytest.raises(TypeError):
        document.regions["ap"] = document.regions[EU]  # type: ignore[index]
    assert replace(document) == document
