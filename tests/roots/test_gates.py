"""A gate that trusts a set of roots: the old and the new one while the root key changes, and no other."""

from __future__ import annotations

import pytest
from bonafide_tokens.errors import Malformed, Reason, Rejected
from bonafide_tokens.gate.settings import GateSettings, SettingsError
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.trust_bundle import open_trust_bundle, root_public_keys

from tests.unit.gate.authorizer_environment import ENVIRONMENT
from tests.unit.gate.stand import ISSUER, NOW, Call, Stand, bundle, effect, public_key, signed


def text(*names: str) -> str:
    """Roots by name, as ``ROOT_PUBLIC_KEY`` has them."""
    return ",".join(b64url_encode(public_key(name).point) for name in names)


@pytest.mark.parametrize("by", ["root", "next root"])
def test_bundle_by_either_root_is_good(by: str) -> None:
    """The old root signs until every gate knows the new one, and then the new one does."""
    roots = root_public_keys(text("root", "next root"))
    jws = signed(bundle(), by=by)
    assert open_trust_bundle(jws, root_keys=roots, issuer=ISSUER, now=NOW).version == 7
    assert open_trust_bundle(jws, root_key=roots[0], root_keys=roots[1:], issuer=ISSUER, now=NOW).version == 7


@pytest.mark.parametrize("names", [(), ("root",), ("root", "next root")])
def test_bundle_by_a_root_outside_the_set_is_refused(names: tuple[str, ...]) -> None:
    """Also where the set is empty: no root means nothing is trusted."""
    roots = tuple(map(public_key, names))
    with pytest.raises(Rejected) as caught:
        open_trust_bundle(signed(bundle(), by="another root"), root_keys=roots, issuer=ISSUER, now=NOW)
    assert caught.value.reason is Reason.BUNDLE_INVALID


def test_setting_has_one_to_four_roots() -> None:
    """One as ever; more with commas, spaces beside them, and each once: a root that is named twice is one."""
    assert root_public_keys(text("root")) == (public_key("root"),)
    spaced = text("root", "next root", "root").replace(",", " , ")
    settings = GateSettings.from_environment({**ENVIRONMENT, "ROOT_PUBLIC_KEY": spaced})
    assert settings.root_keys == (public_key("root"), public_key("next root"))
    four = text("a", "b", "c", "d")
    assert len(root_public_keys(four)) == 4
    with pytest.raises(Malformed, match="more than 4"):
        root_public_keys(f"{four},{text('e')}")


@pytest.mark.parametrize(
    "wrong",
    [",", f"{text('root')},", f",{text('root')}", f"{text('root')},x", f"{text('root')};"],
    ids=[
        "nothing",
        "ends with a comma",
        "begins with a comma",
        "no key",
        "another mark",
    ],
)
def test_set_with_something_else_in_it_stops_the_gate(wrong: str) -> None:
    """A gate that started with half of its roots would refuse everyone later, when the other half signs."""
    with pytest.raises(SettingsError, match="ROOT_PUBLIC_KEY"):
        GateSettings.from_environment({**ENVIRONMENT, "ROOT_PUBLIC_KEY": wrong})


def test_gate_follows_from_the_old_root_to_the_new_one() -> None:
    """Without a request that waits or is refused: the next bundle comes by another root, and that is all."""
    gate = Stand(root_keys=root_public_keys(text("root", "next root")))
    assert effect(gate.call(Call())) == "Allow"
    gate.serve(bundle(version=8, issued_at=NOW), by="next root")
    gate.now += 31
    assert effect(gate.call(Call(made_at=gate.now, jti="proof-2"))) == "Allow"
    assert gate.notes[-1] == (None, "trust bundle 8")


def test_gate_that_was_left_out_keeps_its_bundle_and_says_why() -> None:
    """It goes on with the bundle by the old root until that ends: hours to notice the step that was left out."""
    gate = Stand()
    assert effect(gate.call(Call())) == "Allow"
    gate.serve(bundle(version=8, issued_at=NOW), by="next root")
    gate.now += 31
    assert effect(gate.call(Call(made_at=gate.now, jti="proof-2"))) == "Allow"
    assert gate.notes[-1][0] is Reason.BUNDLE_INVALID
