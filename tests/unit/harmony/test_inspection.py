"""`inspect` on HarmonyOS evidence: what it shows, what it does not, and the step at which it would be refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bonafide_tokens.jose import b64url_encode

from bonafide.inspect.inspection import inspect_evidence
from devkit.devices.authority.der_writer import utf8_string
from devkit.devices.harmony import huks_statement as huks

from .scene import (
    AUTHORITY,
    BUNDLE,
    DIGEST,
    EXPECTED,
    NEXT,
    Mutation,
    TokenQuestion,
    chain_draft,
    token_draft,
)
from .statement_mutations import STATEMENT_MUTATIONS
from .token_mutations import TOKEN_MUTATIONS


def inspected(document: dict[str, object]) -> dict[str, Any]:
    return inspect_evidence(json.dumps(document)).to_record()


def huks_item(chain: tuple[bytes, ...]) -> dict[str, object]:
    return {"certificate_chain": [b64url_encode(certificate) for certificate in chain]}


def case(form: str, evidence: dict[str, object], anchors: str) -> dict[str, object]:
    return {
        "case": "minted",
        "format": form,
        "at": "2026-05-28T20:26:40Z",
        "evidence": evidence,
        "client_data_hash": b64url_encode(DIGEST),
        "reference_values": {"harmony": {"bundle_names": [BUNDLE], "app_ids": list(EXPECTED.app_ids)}},
        "trust_anchors": {anchors: [AUTHORITY.root_certificate_pem]},
        "expect": {"outcome": "verified"},
    }


def huks_case(chain: tuple[bytes, ...]) -> dict[str, object]:
    return case("harmony-key-attestation", huks_item(chain), "harmony-key-attestation")


def token_case(question: TokenQuestion) -> dict[str, object]:
    evidence: dict[str, object] = {"profile": question.profile.value, "integrity_token": question.token}
    return case("harmony-device-integrity", evidence, f"harmony-device-integrity/{question.profile}")


def test_attestation_is_shown_claim_by_claim() -> None:
    """Each with its level, and in words where a number is not enough."""
    shown = inspected({"format": "harmony-key-attestation", **huks_item(chain_draft().chain())})
    claims = shown["attestation"]["claims"]
    assert claims["key-origin"] == {"value": "2, generated", "level": "3, TEE"}
    assert claims["key-manager"]["value"].endswith(", HUKS")
    assert claims["application"]["value"]["bundle_name"] == BUNDLE
    assert claims["challenge"]["value"] == DIGEST.hex()
    assert shown["attestation"]["key"] == "ec-p256"
    assert len(shown["certificates"]) == 3


def test_names_of_the_device_are_not_shown() -> None:
    """A non-anonymous chain holds a person's device; a support ticket must not."""
    draft = chain_draft().with_claim(huks.Claim(huks.TEE, huks.UDID, utf8_string("THE-UDID")))
    text = json.dumps(inspected({"format": "harmony-key-attestation", **huks_item(draft.chain())}))
    assert "device-udid" in text
    assert "THE-UDID" not in text


def test_unreadable_claim_leaves_the_others() -> None:
    """An application that cannot be read is said to be so."""
    draft = chain_draft().with_claim(huks.application(b"[]"))
    claims = inspected({"format": "harmony-key-attestation", **huks_item(draft.chain())})["attestation"]["claims"]
    assert "unreadable" in claims["application"]["value"]
    assert claims["key-origin"]["value"] == "2, generated"


def test_token_is_shown_with_its_time_in_words() -> None:
    """Payload members by Huawei's names."""
    token = token_draft(NEXT).seal()
    shown = inspected({"format": "harmony-device-integrity", "profile": "next", "integrity_token": token})
    assert shown["algorithm"] == "RS256"
    assert shown["payload"]["basicIntegrity"] is True
    assert shown["payload"]["timestamp"].endswith("(2026-05-28T20:26:40+00:00)")
    assert len(shown["certificates"]) == 3


@pytest.mark.parametrize(
    "document",
    [
        {"format": "harmony-key-attestation", "certificate_chain": []},
        {"format": "harmony-key-attestation", "certificate_chain": ["AAAA"]},
        {"format": "harmony-device-integrity", "profile": "next", "integrity_token": "..."},
        {"format": "harmony-device-integrity", "profile": "next"},
    ],
)
def test_garbage_is_answered(document: dict[str, object]) -> None:
    """A support tool answers, whatever the file."""
    assert "unreadable" in json.dumps(inspected(document))


def test_case_with_sound_evidence_shows_tier_and_claims() -> None:
    """The verdict that the strict policy gives."""
    verdict = inspected(huks_case(chain_draft().chain()))["verdict"]
    assert (verdict["outcome"], verdict["tier"]) == ("verified", "warning")
    assert verdict["findings"] == ["harmony-device-integrity-missing"]
    verdict = inspected(token_case(TokenQuestion(token=token_draft(NEXT).seal(), profile=NEXT)))["verdict"]
    assert (verdict["outcome"], verdict["tier"]) == ("verified", "affirming")


NAMED = {"another challenge": "4", "an imported key": "7", "a key of the secure camera": "6", "another signer": "5"}
TOKEN_NAMED = {
    "token: HS256": "2",
    "token: five certificates": "3",
    "token: expired signer": "4",
    "token: a developer signs": "5",
    "token: another key": "6",
}


@pytest.mark.parametrize("mutation", [m for m in STATEMENT_MUTATIONS if m.name in NAMED], ids=lambda m: m.name)
def test_refused_attestation_names_its_step(mutation: Mutation) -> None:
    """The number is the verifier's own."""
    question = mutation.make()
    assert not isinstance(question, TokenQuestion)
    document = huks_case(question.chain) | {"client_data_hash": b64url_encode(question.client_data_hash)}
    verdict = inspected(document)["verdict"]
    assert verdict["reason"] == mutation.reason.value
    assert verdict["step"].startswith(NAMED[mutation.name] + ", ")


@pytest.mark.parametrize("mutation", [m for m in TOKEN_MUTATIONS if m.name in TOKEN_NAMED], ids=lambda m: m.name)
def test_refused_token_names_its_step(mutation: Mutation) -> None:
    """The same for integrity tokens."""
    question = mutation.make()
    assert isinstance(question, TokenQuestion)
    verdict = inspected(token_case(question))["verdict"]
    assert verdict["reason"] == mutation.reason.value
    assert verdict["step"].startswith(TOKEN_NAMED[mutation.name] + ", ")


def test_named_mutations_exist() -> None:
    """A renamed mutation must not silence the tests above."""
    assert {m.name for m in STATEMENT_MUTATIONS} >= NAMED.keys()
    assert {m.name for m in TOKEN_MUTATIONS} >= TOKEN_NAMED.keys()
