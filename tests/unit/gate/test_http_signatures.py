"""RFC 9421's own examples: every signature base, and the one signature by an algorithm that we take."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from bonafide_tokens.errors import Malformed, Reason, Rejected
from bonafide_tokens.jose import EcPublicKey, es256_matches, public_key_from_jwk
from bonafide_tokens.signatures.message import Message, message_of, signature_base
from bonafide_tokens.signatures.signed_request import verify_signed_request
from bonafide_tokens.signatures.structured_fields import (
    MAX_FIELD_CHARACTERS,
    read_byte_sequences,
    read_signature_inputs,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.gate.standard_examples import examples

CASES = ("sig-b21", "sig-b22", "sig-b23", "sig-b24", "sig-b25", "sig-b26")
P256 = "sig-b24"
AT = 1_618_884_473.0


@pytest.fixture(scope="module")
def rfc() -> dict[str, Any]:
    return examples("rfc9421_appendix_b")


def message(rfc: dict[str, Any], label: str) -> Message:
    """The test request (B.2), or for B.2.4 the test response. The response's digest is the one that was signed: the
    printed header has another, which is not that of its body."""
    head, _, _ = rfc["test_request"].partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    path, _, query = target.partition("?")
    fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    if label == P256:
        digest = "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:"
        fields |= {"content-digest": digest, "content-length": "23"}
    made = message_of(method, f"https://{fields['host']}{path}", query=query, field=lambda name: [fields[name]])
    return made._replace(derived={**made.derived, "@status": "200"})


def case_of(rfc: dict[str, Any], label: str) -> dict[str, Any]:
    found: dict[str, Any] = next(case for case in rfc["cases"] if case["label"] == label)
    return found


@pytest.mark.parametrize("label", CASES)
def test_signature_base_is_the_rfcs(label: str, rfc: dict[str, Any]) -> None:
    case = case_of(rfc, label)
    covered = read_signature_inputs([case["signature_input"]])[label]
    assert signature_base(message(rfc, label), covered).decode() == case["signature_base"]
    assert covered.parameters["keyid"] == case["keyid"]


def p256(rfc: dict[str, Any]) -> EcPublicKey:
    jwk = rfc["keys_jwk"]["test-key-ecc-p256"]
    return public_key_from_jwk({name: jwk[name] for name in ("kty", "crv", "x", "y")})


def test_signature_of_p256_verifies_and_not_over_another_base(rfc: dict[str, Any]) -> None:
    case, key = case_of(rfc, P256), p256(rfc)
    signature = read_byte_sequences([case["signature"]])[P256]
    assert es256_matches(key, case["signature_base"].encode(), signature)
    assert not es256_matches(key, case["signature_base"].replace("200", "201").encode(), signature)


@pytest.mark.parametrize("label", CASES)
def test_signature_by_another_algorithm_is_refused(label: str, rfc: dict[str, Any]) -> None:
    """Ours by its tag, with its algorithm named as the RFC names it: for P-256 alone it goes on to the next check."""
    case = case_of(rfc, label)
    named = f'{case["signature_input"].partition(";tag")[0]};nonce="n";alg="{case["alg"]}";tag="bonafide"'
    if label == "sig-b21":
        named = named.replace(';nonce="n"', "", 1)
    fields = {"signature-input": [named], "signature": [case["signature"]]}
    known = message(rfc, label)
    asked = known._replace(field=lambda name: fields.get(name) or [])
    with pytest.raises(Rejected) as refused:
        verify_signed_request(
            asked, request_key=p256(rfc), request_key_thumbprint="another", attestation_field="x", now=AT
        )
    assert refused.value.reason is (Reason.PROOF_KEY if label == P256 else Reason.PROOF_ALGORITHM)


KEYS = st.from_regex(r"[a-z*][a-z0-9_.*-]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)
WHOLE = st.integers(-999_999_999_999_999, 999_999_999_999_999)
PARAMETERS = st.dictionaries(KEYS, TEXTS | WHOLE | st.just(True), max_size=4)
ITEMS = st.lists(st.tuples(TEXTS, PARAMETERS), max_size=5, unique_by=lambda item: (item[0], str(sorted(item[1]))))


def written(value: str | int | bool) -> str:
    if value is True:
        return ""
    return "=" + (f"{value}" if isinstance(value, int) else quoted(value))


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parameters(members: dict[str, Any]) -> str:
    return "".join(f";{name}{written(value)}" for name, value in members.items())


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(KEYS, st.tuples(ITEMS, PARAMETERS), min_size=1, max_size=3), st.sampled_from([",", ", ", "\t, "])
)
def test_what_is_written_is_read_back(lists: dict[str, Any], comma: str) -> None:
    """And its text is kept as it stood, since the signature base repeats it."""
    texts = {
        label: f"({' '.join(quoted(name) + parameters(more) for name, more in items)}){parameters(own)}"
        for label, (items, own) in lists.items()
    }
    read = read_signature_inputs([comma.join(f"{label}={text}" for label, text in texts.items())])
    assert {label: one.text for label, one in read.items()} == texts
    for label, (items, own) in lists.items():
        assert [(one.name, one.parameters) for one in read[label].components] == items
        assert read[label].parameters == own


@given(st.text(max_size=80) | st.text(st.sampled_from('sig=("a";b:1?)*, \t\\'), max_size=80))
def test_any_text_is_read_or_refused_and_read_once_only(text: str) -> None:
    """No other exception, and what is read is the whole text: nothing is passed over."""
    for read in (read_signature_inputs, read_byte_sequences):
        with suppress(Malformed):
            found = read([text])
            assert found
            assert all(label in text for label in found)


@pytest.mark.parametrize(
    "text",
    [
        "sig=(" + '"a";' * 1000,
        "sig=(" + '"' + "\\" * 4000,
        "sig=()" + ";a=a" * 1000 + ";",
        "a=()" + "," * 4000,
        "sig=()" + ";a" * 2000 + " ",
        "a" * MAX_FIELD_CHARACTERS,
        "x=" + "(" * 4000,
    ],
)
def test_text_made_to_be_read_slowly_is_refused(text: str) -> None:
    """Each is one pass: a quantifier that gave back what it took would take minutes here."""
    with pytest.raises(Malformed):
        read_signature_inputs([text])


@pytest.mark.parametrize("text", ["a=:AA==:", "a=:AAA=:, b=::"])
def test_byte_sequence_is_read(text: str) -> None:
    assert set(read_byte_sequences([text])) == set(text.replace(", ", "=").split("=")) & {"a", "b"}


@pytest.mark.parametrize(
    "text", ["", "a", "a=:AA:", "a=:A===:", "a=:AA==", "a=AA", "a=:A A=:", "a=:AA==:;x", "A=:AA==:"]
)
def test_other_spelling_of_a_byte_sequence_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        read_byte_sequences([text])
