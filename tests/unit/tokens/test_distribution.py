"""`pip install ./layers/tokens` into an empty environment, and the README's own lines run there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import venv
from pathlib import Path
from urllib.parse import quote

import cryptography
import pytest
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.signing import make_proof

from tests.unit.gate.stand import AUDIENCE, ISSUER, bundle, private_key, public_key, signed, token

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "layers" / "tokens"
SITE = Path(cryptography.__file__).parents[1]
BLOCKS = re.findall(r"^```python\n(.*?)^```$", (PACKAGE / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
URL, BODY, NOW = "https://api.example.com/v1/orders", b'{"item":1}', 1_800_000_000


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment that has the package, and for it `cryptography` from ours: no network."""
    folder = tmp_path_factory.mktemp("tokens") / "venv"
    venv.create(folder, with_pip=True)
    interpreter = folder / "bin" / "python"
    install = [str(interpreter), "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps"]
    run = subprocess.run(
        [*install, str(PACKAGE)],
        env={**os.environ, "PYTHONPATH": str(SITE)},  # hatchling, which builds the wheel
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return interpreter


def run_there(python: Path, code: str, names: dict[str, object]) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in the environment, with these values under their names; ``time()`` stands still."""
    given = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    # The path comes last: what is installed counts, and of ours only cryptography and what it needs is missing there.
    prelude = f"import sys, time as clock\nclock.time = lambda: {NOW}\nsys.path.append({str(SITE)!r})\n"
    return subprocess.run(
        [str(python), "-I", "-c", prelude + given + code], capture_output=True, text=True, timeout=60, check=False
    )


def names(*, by: str = "root", **changes: object) -> dict[str, object]:
    """What the README's lines take: a bundle, a token and a proof that signs the body, all minted here."""
    presented = token(now=NOW)
    proof = make_proof(
        private_key("request"),
        method="POST",
        url=URL,
        token=presented,
        jti="proof-1",
        now=NOW,
        content_digest=content_digest(BODY),
    )
    jws = signed(bundle(issued_at=NOW - 60, expires_at=NOW + 3_600))
    return {
        "ROOT_PUBLIC_KEY": b64url_encode(public_key(by).point),
        "ISSUER": ISSUER,
        "AUDIENCE": AUDIENCE,
        "TRUST_BUNDLE_URL": f"data:text/plain,{quote(jws)}",
        "tokens": [presented],
        "proofs": [proof],
        "body": BODY,
    } | changes


def test_lines_of_the_readme_check_a_token_a_proof_and_a_body(python: Path) -> None:
    """Installed from the folder, with no other package of ours at hand."""
    check, _, body, decorator = BLOCKS
    told = "import json\nprint(json.dumps([bonafide_tokens.__file__, caller.token.app, caller.token.tier, signed]))"
    run = run_there(python, f"{check}\n{body}\n{decorator}\nimport bonafide_tokens\n{told}", names())
    assert run.returncode == 0, run.stderr
    where, app, tier, good = json.loads(run.stdout)
    assert Path(where).is_relative_to(python.parents[1])
    assert (app, tier, good) == ("orders-ios", "affirming", True)


def test_bundle_by_another_key_is_refused_there(python: Path) -> None:
    """The attack: a trust bundle of one's own, in the place that the backend fetches it from."""
    run = run_there(python, BLOCKS[0], names(by="token"))
    assert run.returncode == 1
    assert "bundle-invalid" in run.stderr


def test_refusal_has_the_answer_of_the_table_there(python: Path) -> None:
    """A stolen token without its proof: the README's lines answer what the authorizer would."""
    check, refuse, *_ = BLOCKS
    code = check.rpartition("caller =")[0] + refuse + "\nprint(problem, headers)"
    run = run_there(python, code, names(proofs=[]))
    assert run.returncode == 0, run.stderr
    assert "'action': 'sign', 'retry': 'now'" in run.stdout
    assert 'DPoP error="invalid_dpop_proof"' in run.stdout


def test_decorator_needs_no_cryptography(python: Path) -> None:
    """For a function behind the authorizer: it never sees a token."""
    told = (
        "answer = handler({'body': 'x'}, None)\nimport sys\nprint(answer['statusCode'], 'cryptography' in sys.modules)"
    )
    run = run_there(python, f"{BLOCKS[-1]}\n{told}", {})
    assert run.stdout.splitlines()[-1] == "401 False", run.stderr
