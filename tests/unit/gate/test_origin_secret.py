"""The origin secret at the gate: calls around the edge fail, on every route and kind of API, whatever they present."""

from __future__ import annotations

from hashlib import sha256

import pytest
from bonafide_tokens.errors import Reason
from bonafide_tokens.gate.bundle_client import BundleUnreachable
from bonafide_tokens.origin_secret import HEADER, came_through_edge, origin_secret_hashes
from bonafide_tokens.routes import Requirement

from tests.unit.gate.conftest import Lines
from tests.unit.gate.other_kinds import KINDS, rest_token
from tests.unit.gate.stand import Call, Stand, effect

OLD, NEW = "c2VjcmV0LW9uZQ", "c2VjcmV0LXR3bw"
NAME = "Bonafide-Origin-Secret"


def hashed(*secrets: str) -> tuple[bytes, ...]:
    return tuple(sha256(secret.encode()).digest() for secret in secrets)


def through_edge(*secrets: str, name: str = NAME) -> Call:
    """A genuine call, with these values of the edge's header."""
    return Call(headers={name: list(secrets)} if secrets else {})


@pytest.mark.parametrize("accepted", [(OLD,), (OLD, NEW), (NEW, OLD)])
def test_call_through_the_edge_passes(accepted: tuple[str, ...]) -> None:
    """Two secrets are good while one replaces the other."""
    assert effect(Stand(origin_secret_hashes=hashed(*accepted)).call(through_edge(OLD))) == "Allow"


@pytest.mark.parametrize(
    "values",
    [(), ("",), (NEW,), (OLD + "x",), (OLD, OLD), (OLD, NEW), (f"{OLD}, {OLD}",), ("\ud800",), (hashed(OLD)[0].hex(),)],
)
def test_call_around_the_edge_is_refused(values: tuple[str, ...], log_lines: Lines) -> None:
    """Genuine token and proof, and yet: no secret, another one, the hash itself, or more values than the edge sends."""
    stand = Stand(origin_secret_hashes=hashed(OLD))
    assert effect(stand.call(through_edge(*values))) == "Deny"
    line = log_lines()[-1]
    assert (line["reason"], line["request_class"]) == (Reason.ORIGIN_SECRET, "unchecked")
    assert OLD not in str(line)


def test_value_that_is_no_text_is_refused() -> None:
    """An event with null for a value: of an emulator, or a change at AWS."""
    event = through_edge(OLD).event()
    event["multiValueHeaders"][NAME] = [None]
    assert effect(Stand(origin_secret_hashes=hashed(OLD)).answer(event)) == "Deny"


@pytest.mark.parametrize("requirement", [Requirement.OFF, Requirement.MONITOR])
def test_open_route_is_closed_to_calls_around_the_edge(requirement: Requirement) -> None:
    """What is open is open through the edge: its filters and its country count there, too."""
    path = "/public/a" if requirement is Requirement.OFF else "/beta/a"
    stand = Stand(origin_secret_hashes=hashed(OLD))
    assert effect(stand.call(Call(path=path, token=None, proof=None))) == "Deny"
    assert effect(stand.call(Call(path=path, token=None, proof=None, headers={NAME: [OLD]}))) == "Allow"


def test_call_around_the_edge_is_refused_without_a_bundle_too() -> None:
    """``ON_BUNDLE_UNAVAILABLE=allow`` lets through what cannot be checked; this can."""
    stand = Stand(origin_secret_hashes=hashed(OLD), allow_when_unavailable=True)
    stand.served = BundleUnreachable("down")
    assert effect(stand.call(Call())) == "Deny"
    assert effect(stand.call(through_edge(OLD))) == "Allow"


@pytest.mark.parametrize("kind", [*KINDS, "rest-token"])
def test_every_kind_of_api_knows_the_edge(kind: str, log_lines: Lines) -> None:
    """But for TOKEN authorizers: they are shown no header, so they refuse rather than guess."""
    stand = Stand(origin_secret_hashes=hashed(OLD))
    for call in (through_edge(OLD), through_edge(OLD, name=NAME.upper()), through_edge()):
        stand.answer({**KINDS, "rest-token": rest_token}[kind](call))
    around = [line.get("reason") == Reason.ORIGIN_SECRET for line in log_lines() if line.get("message") == "decision"]
    assert around == ([True, True, True] if kind == "rest-token" else [False, False, True])


def test_no_hash_lets_clients_call_directly() -> None:
    """The default: a stack without an edge."""
    assert effect(Stand().call(through_edge())) == "Allow"


def test_hashes_are_read_strictly() -> None:
    """Text that holds no hash must not open the APIs."""
    one = hashed(OLD)[0]
    assert origin_secret_hashes("") == ()
    assert origin_secret_hashes(one.hex().upper()) == (one,)
    for text in (" ", ",", "zz", one.hex()[:-2], f"{one.hex()},", ",".join([one.hex()] * 3)):
        with pytest.raises(ValueError, match=r"SHA-256|hexadecimal"):
            origin_secret_hashes(text)


def test_nothing_came_through_an_edge_without_hashes() -> None:
    """Whether hashes are needed is for the caller to say: no hash, no edge."""
    assert not came_through_edge([OLD], ())
    assert NAME.lower() == HEADER
