"""Keys and challenges have a home: what is redeemed where, and what a redeem elsewhere leaves behind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bonafide_tokens.signed_body import content_digest
from service.keys.key_ring import REREAD
from service.regions.document import founded, losing, sign_regions

from devkit.devices.client import PROOF_HEADER, TOKEN_HEADER
from devkit.devices.installation import Installation
from tests.service_stack.events import json_of
from tests.service_stack.fakes import MemoryAttestedKeys, SoftwareRootKey
from tests.service_stack.memory_stack import APP, ISSUER, NOW, VERIFIER_ORIGIN, MemoryStack
from tests.unit.regions.two_regions import EU, URLS, US, Lines, TwoRegions, problem, redeem


@pytest.fixture
def regions() -> TwoRegions:
    return TwoRegions()


@pytest.fixture
def device(regions: TwoRegions) -> Installation:
    """Enrolled in ``eu``, and known in ``us``."""
    phone = regions.eu.installation()
    regions.eu.enrol(phone)
    regions.replicate()
    return phone


def test_key_is_at_home_where_it_enrolled(regions: TwoRegions, device: Installation) -> None:
    (row,) = regions.us.attested_keys.rows.values()
    assert row.region == EU
    assert redeem(regions.eu, device, regions.eu.challenge())["statusCode"] == 200


def test_challenge_of_one_region_is_sent_home_by_the_other(
    regions: TwoRegions, device: Installation, log_lines: Lines
) -> None:
    """Before anything is read, noted or spent; and at home it is good once."""
    challenge = regions.eu.challenge()
    body = device.renewal_body(device.client_data(challenge))
    before = dict(regions.us.attested_keys.rows)
    log_lines()
    answer = regions.us.send("POST", "/v1/tokens", body)
    assert problem(answer) == (409, "wrong-region", EU)
    assert json_of(answer)["retry"] == "never"
    (line,) = [line for line in log_lines() if line.get("reason")]
    assert (line["reason"], line["outcome"]) == ("wrong-region", "refused")
    assert (regions.us.attested_keys.rows, regions.us.redemption.spent) == (before, set())
    assert regions.eu.send("POST", "/v1/tokens", body)["statusCode"] == 200
    assert problem(regions.eu.send("POST", "/v1/tokens", body))[1] == "challenge-unusable"


def test_key_of_one_region_is_sent_home_by_the_other(regions: TwoRegions, device: Installation) -> None:
    """Also with a challenge of that other: it stays unspent."""
    answer = redeem(regions.us, device, regions.us.challenge())
    assert problem(answer) == (409, "wrong-region", EU)
    assert regions.us.redemption.spent == set()


def test_enrolment_with_a_challenge_of_another_region_is_sent_home(regions: TwoRegions) -> None:
    phone = regions.eu.installation()
    body = phone.attestation_body(phone.client_data(regions.eu.challenge()))
    assert problem(regions.us.send("POST", "/v1/attestations", body)) == (409, "wrong-region", EU)
    assert regions.eu.send("POST", "/v1/attestations", body)["statusCode"] == 201
    regions.replicate()
    # The answer was lost, and the app asks the other region: home owes the answer, and nobody else.
    assert problem(regions.us.send("POST", "/v1/attestations", body)) == (409, "wrong-region", EU)
    assert regions.eu.send("POST", "/v1/attestations", body)["statusCode"] == 201


def test_next_challenge_is_of_the_region_that_answered(regions: TwoRegions, device: Installation) -> None:
    answer = redeem(regions.eu, device, regions.eu.challenge())
    following = str(json_of(answer)["next_challenge"])
    assert problem(redeem(regions.us, device, following)) == (409, "wrong-region", EU)
    assert redeem(regions.eu, device, following)["statusCode"] == 200


def test_text_that_no_region_sealed_is_unusable_everywhere(regions: TwoRegions, device: Installation) -> None:
    forged = "AQ" + "A" * 62
    assert problem(redeem(regions.us, device, forged)) == (409, "challenge-unusable", None)


def test_key_that_has_not_arrived_is_unknown(regions: TwoRegions) -> None:
    """The wire contract: that counts for an app only when home was silent for ten minutes."""
    phone = regions.eu.installation()
    regions.eu.enrol(phone)
    assert problem(redeem(regions.us, phone, regions.us.challenge())) == (404, "unknown-key", None)


def _reported(stack: MemoryStack, device: Installation, token: str) -> dict[str, Any]:
    body = json.dumps({"signals": ["debugger"]}).encode()
    url = VERIFIER_ORIGIN + "/v1/signals"
    proof = device.proof(method="POST", url=url, token=token, content_digest=content_digest(body))
    headers = {TOKEN_HEADER: token, PROOF_HEADER: proof, "Content-Type": "application/json"}
    return stack.send("POST", "/v1/signals", body, headers=headers)


def test_signals_are_noted_at_home_alone(regions: TwoRegions) -> None:
    """A note written elsewhere could undo a renewal of the same moment: the later of two writes to a row wins it."""
    regions.us.rotation.run(now=NOW)
    phone = regions.eu.installation()
    token = str(regions.eu.enrol(phone)["token"])
    regions.replicate()
    answer = _reported(regions.us, phone, token)
    assert problem(answer) == (409, "wrong-region", EU)
    assert regions.us.attested_keys.rows[phone.bonafide_key_id].noted is None
    assert not regions.us.spent_proofs.names
    assert _reported(regions.eu, phone, token)["statusCode"] == 202


# --- a region is lost -----------------------------------------------------------------------------------------------


def test_adopter_renews_keys_of_a_lost_region_under_its_own_challenges(
    regions: TwoRegions, device: Installation
) -> None:
    old = regions.eu.challenge()
    regions.lose(EU, US)
    assert problem(redeem(regions.us, device, old)) == (409, "challenge-unusable", None)
    assert redeem(regions.us, device, regions.us.challenge())["statusCode"] == 200
    assert regions.us.attested_keys.rows[device.bonafide_key_id].region == US


def test_lost_region_redeems_nothing(regions: TwoRegions, device: Installation) -> None:
    challenge = regions.eu.challenge()
    regions.lose(EU, US)
    issued = regions.eu.send("POST", "/v1/challenges", {"app": APP})
    assert (issued["statusCode"], json_of(issued)["type"]) == (503, "/problems/try-later")
    assert problem(redeem(regions.eu, device, challenge))[:2] == (503, "try-later")
    phone = regions.eu.installation()
    body = phone.attestation_body(phone.client_data(challenge))
    assert problem(regions.eu.send("POST", "/v1/attestations", body))[:2] == (503, "try-later")
    assert regions.eu.redemption.spent == {row.enrolment.nonce for row in regions.eu.attested_keys.rows.values()}  # type: ignore[union-attr]


def test_region_that_came_back_serves_what_did_not_move(regions: TwoRegions, device: Installation) -> None:
    """And none of the challenges from before it was lost: who took over may know of them, its tables may not."""
    other = regions.eu.installation()
    regions.eu.enrol(other)
    regions.replicate()
    old = regions.eu.challenge()
    regions.lose(EU, US)
    regions.eu.now = regions.us.now = NOW + 20
    assert redeem(regions.us, device, regions.us.challenge())["statusCode"] == 200
    regions.replicate()
    regions.restore(EU)
    assert problem(redeem(regions.eu, other, old)) == (409, "challenge-unusable", None)
    assert problem(redeem(regions.eu, device, regions.eu.challenge())) == (409, "wrong-region", US)
    assert redeem(regions.eu, other, regions.eu.challenge())["statusCode"] == 200


def test_running_function_learns_of_an_epoch_with_its_keys(regions: TwoRegions, device: Installation) -> None:
    """Without a restart, when it reads the table again; an older document then changes nothing."""
    assert redeem(regions.eu, device, regions.eu.challenge())["statusCode"] == 200
    handlers = dict(regions.eu.handlers)
    regions.lose(EU, US)
    regions.eu.handlers = handlers
    regions.eu.now = NOW + REREAD + 1
    assert regions.eu.send("POST", "/v1/challenges", {"app": APP})["statusCode"] == 503
    del regions.eu.signing_keys.documents[1:]  # an attacker of the table takes the newer ones away
    regions.eu.now += REREAD + 1
    assert regions.eu.send("POST", "/v1/challenges", {"app": APP})["statusCode"] == 503


def test_document_that_the_root_did_not_sign_fences_nobody(regions: TwoRegions, device: Installation) -> None:
    forged = losing(regions.document, EU, US, now=NOW)
    regions.eu.signing_keys.documents.append(sign_regions(forged, sign=SoftwareRootKey().sign))
    regions.eu.restart()
    assert redeem(regions.eu, device, regions.eu.challenge())["statusCode"] == 200


# --- before, and without ----------------------------------------------------------------------------------------------


def test_named_region_without_a_document_redeems_nothing() -> None:
    stack = MemoryStack(region=EU)
    assert stack.send("POST", "/v1/challenges", {"app": APP})["statusCode"] == 503


def test_stack_over_shared_tables_without_a_name_redeems_nothing(regions: TwoRegions) -> None:
    """The attack is a mistake: its challenges would be those of the first region."""
    stranger = MemoryStack(
        signing_keys=regions.eu.signing_keys, wrapping=regions.eu.wrapping, root_key=regions.eu.root_key
    )
    assert stranger.send("POST", "/v1/challenges", {"app": APP})["statusCode"] == 503


def test_stack_without_a_name_redeems_nothing_by_documents_it_cannot_read() -> None:
    """The same mistake where the other stack's root is not accepted here. Its challenge would be good once in each."""
    first = MemoryStack()
    first.signing_keys.documents.append(sign_regions(founded(ISSUER, EU, URLS[EU], now=NOW), sign=first.root_key.sign))
    first.restart()
    assert first.send("POST", "/v1/challenges", {"app": APP})["statusCode"] == 201
    second = MemoryStack(signing_keys=first.signing_keys, wrapping=first.wrapping)  # it has a root of its own
    assert second.send("POST", "/v1/challenges", {"app": APP})["statusCode"] == 503


def test_stack_without_a_name_redeems_nothing_over_keys_of_a_named_region() -> None:
    """The same mistake before the document has the second region, and in a stack that lost its name again."""
    named = MemoryStack(region=EU)
    phone = MemoryStack().installation()
    named.signing_keys.documents.append(sign_regions(founded(ISSUER, EU, URLS[EU], now=NOW), sign=named.root_key.sign))
    named.restart()
    named.enrol(phone)
    challenge = named.challenge()
    stranger = MemoryStack(
        signing_keys=named.signing_keys,
        wrapping=named.wrapping,
        root_key=named.root_key,
        attested_keys=MemoryAttestedKeys(rows=dict(named.attested_keys.rows)),
    )
    assert stranger.send("POST", "/v1/challenges", {"app": APP})["statusCode"] == 503
    assert problem(redeem(stranger, phone, challenge))[:2] == (503, "try-later")
    assert redeem(named, phone, challenge)["statusCode"] == 200


def test_stack_becomes_the_first_region_without_a_refusal() -> None:
    """Challenges, keys and rows from before it had a name stay good; rows are named as they renew."""
    before = MemoryStack()
    phone = before.installation()
    answer = before.enrol(phone)
    document = founded(ISSUER, EU, URLS[EU], now=NOW)
    before.signing_keys.documents.append(sign_regions(document, sign=before.root_key.sign))
    before.restart()
    unnamed = redeem(before, phone, str(answer["next_challenge"]))
    assert unnamed["statusCode"] == 200
    assert before.attested_keys.rows[phone.bonafide_key_id].region == ""
    named = MemoryStack(
        region=EU,
        signing_keys=before.signing_keys,
        wrapping=before.wrapping,
        root_key=before.root_key,
        facts=before.facts,
        attested_keys=before.attested_keys,
    )
    renewed = redeem(named, phone, str(json_of(unnamed)["next_challenge"]))
    assert renewed["statusCode"] == 200
    assert named.attested_keys.rows[phone.bonafide_key_id].region == EU
    assert [kid for kid in named.signing_keys.rows if EU in kid] == []  # its keys go on until they are due
    later = NOW + 31 * 86_400
    named.rotation.run(now=later)
    assert {"token-eu-2", "challenge-eu-2"} <= named.signing_keys.rows.keys()


def test_regions_have_keys_of_their_own(regions: TwoRegions) -> None:
    assert {"token-eu-1", "challenge-eu-1", "token-us-1", "challenge-us-1"} == regions.eu.signing_keys.rows.keys()
    bundle = regions.us.rotation.run(now=NOW + 1)
    assert set(bundle.keys) == {"token-eu-1", "token-us-1"}  # tokens of both pass at the gates of each


def test_each_region_rotates_its_own_keys(regions: TwoRegions) -> None:
    later = NOW + 31 * 86_400
    regions.us.rotation.run(now=later)
    assert regions.us.signing_keys.rows["token-eu-1"].retired_at is None
    assert regions.us.signing_keys.rows["challenge-eu-1"].retired_at is None
    assert regions.us.signing_keys.rows["token-us-2"].region == US
    assert regions.us.signing_keys.rows["challenge-us-1"].retired_at is not None
