"""Client data: what the app may say of itself, and what is refused before anything stores or prints it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attestation.client_data import parse_client_data
from attestation.errors import MalformedEvidence, Reason
from bonafide_tokens.signing import public_key_of
from cryptography.hazmat.primitives.asymmetric import ec

KEY = public_key_of(ec.derive_private_key(7, ec.SECP256R1())).to_jwk()


def written(**members: Any) -> bytes:
    return json.dumps({"challenge": "sealed", "request_key": KEY, **members}).encode("ascii")


def test_texts_of_every_script_are_read() -> None:
    """The default that each case below changes in one place."""
    data = parse_client_data(
        written(
            app_build="1.0 (42) β😀",
            os="iOS 27.0",
            model="Redmi\u2122 手机",
            measurements={"lib/arm64/libé.so": "ab" * 32},
            signals=[{"name": "hooking", "detail": "frida-gadget.so 😀"}],
        )
    )
    assert (data.app_build, data.model) == ("1.0 (42) β😀", "Redmi™ 手机")
    assert data.signals[0].detail == "frida-gadget.so 😀"


@pytest.mark.parametrize("unfit", ["\ud800", "a\udfffb", "\0", "line\nbreak", "\x1b[2J", "\x7f", "\x85"])
@pytest.mark.parametrize(
    "place",
    [
        lambda text: {"app_build": text},
        lambda text: {"os": text},
        lambda text: {"model": text},
        lambda text: {"measurements": {text: "ab" * 32}},
        lambda text: {"signals": [text]},
        lambda text: {"signals": [{"name": "hooking", "detail": text}]},
    ],
    ids=["build", "os", "model", "measurement", "signal", "detail"],
)
def test_text_that_no_store_or_terminal_takes_is_refused(place: Any, unfit: str) -> None:
    """A lone surrogate would end as a failure of the database, a control character on an operator's terminal."""
    with pytest.raises(MalformedEvidence) as refusal:
        parse_client_data(written(**place(unfit)))
    assert refusal.value.reason is Reason.CLIENT_DATA_INVALID


@pytest.mark.parametrize("build", ["1" * 65, "\u200b42", "4\xa02"])
def test_build_that_is_no_short_printable_text_is_refused(build: str) -> None:
    """It becomes a part of a database key and of the token."""
    with pytest.raises(MalformedEvidence) as refusal:
        parse_client_data(written(app_build=build))
    assert refusal.value.reason is Reason.CLIENT_DATA_INVALID


def test_longest_build_fits_a_database_key() -> None:
    """64 characters of four octets each, behind the longest platform name: under 1,024 bytes."""
    build = parse_client_data(written(app_build="😀" * 64)).app_build
    assert build is not None
    assert len(f"android#{build}".encode()) < 1024


def test_empty_build_is_none() -> None:
    """Nothing was said."""
    assert parse_client_data(written(app_build="")).app_build is None


def test_signals_have_a_bound() -> None:
    """The most that is taken, and one more. (Measurements are bounded by the size of client data before.)"""
    names = [f"signal-{number}" for number in range(65)]
    assert len(parse_client_data(written(signals=names[:64])).signals) == 64
    with pytest.raises(MalformedEvidence) as refusal:
        parse_client_data(written(signals=names))
    assert refusal.value.reason is Reason.CLIENT_DATA_INVALID


@pytest.mark.parametrize("value", ["ab" * 31, "ab" * 33, "AB" * 32, "g" * 64, "", 5, None, ["ab" * 32]])
def test_measurement_that_is_no_digest_is_refused(value: object) -> None:
    """SHA-256 in lower-case hexadecimal: one spelling, so that builds can be compared."""
    with pytest.raises(MalformedEvidence) as refusal:
        parse_client_data(written(measurements={"part": value}))
    assert refusal.value.reason is Reason.CLIENT_DATA_INVALID


@pytest.mark.parametrize("version", [-1, 2**53, True, 1.0, "1"])
def test_policy_version_that_is_none_is_refused(version: object) -> None:
    """A whole number that every JSON reader holds exactly."""
    with pytest.raises(MalformedEvidence) as refusal:
        parse_client_data(written(client_policy_version=version))
    assert refusal.value.reason is Reason.CLIENT_DATA_INVALID


@pytest.mark.parametrize(("version", "read"), [(None, 0), (0, 0), (7, 7), (2**53 - 1, 2**53 - 1)])
def test_policy_version_is_what_the_app_enforces(version: int | None, read: int) -> None:
    """0 is none yet."""
    assert parse_client_data(written(client_policy_version=version)).client_policy_version == read
