"""A production stack has no way in for test passes: settings refuse them, and nothing of them is even loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import MISSING, fields

import pytest
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import public_key_of
from cryptography.hazmat.primitives.asymmetric import ec
from service import settings
from service.passes.stage import wired_passes
from service.settings import SettingsError, read_settings

from tests.architecture.source_tree import ROOT
from tests.unit.service.complete_settings import COMPLETE

KINDS = (
    settings.AppraiseEvidenceSettings,
    settings.RenewTokenSettings,
    settings.AdministerSettings,
    settings.PublishBundleSettings,
    settings.RotateSigningKeySettings,
)
ROOT_KEY = b64url_encode(public_key_of(ec.generate_private_key(ec.SECP256R1())).point)
_LOADED = """
import os, sys
sys.path[:0] = sys.argv[1:]
import administer, appraise_evidence, renew_token
judging = [module.wire(os.environ).collaborators["passes"] for module in (appraise_evidence, renew_token)]
assert [*judging, administer.wire(os.environ).passes] == [None, None, None]
ours = ("service.passes", "attestation.passes", "bonafide_tokens.foreign")
print([name for name in sys.modules if name.startswith(ours)])
"""


def environment(stage: str = "prod", **more: str) -> dict[str, str]:
    """What all of these functions are told, together."""
    needed = (each.name.upper() for kind in KINDS for each in fields(kind) if each.default is MISSING)
    return {**dict.fromkeys(needed, "x"), **COMPLETE, "ROOT_PUBLIC_KEY": ROOT_KEY, "STAGE": stage, **more}


@pytest.mark.parametrize("stage", ["prod", "Prod", "production", "prod-eu"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_passes_in_production_are_refused(stage: str, kind: type[settings.StackSettings]) -> None:
    """A function that is told so does not start; whatever the template's rule says."""
    with pytest.raises(SettingsError, match="TEST_PASSES"):
        read_settings(kind, environment(stage, TEST_PASSES="on"))
    assert read_settings(kind, environment(stage, TEST_PASSES="off"))
    assert read_settings(kind, environment("staging", TEST_PASSES="on"))


def test_stage_without_the_setting_wires_no_passes() -> None:
    with pytest.raises(SettingsError, match="TEST_PASSES"):
        wired_passes(read_settings(settings.RenewTokenSettings, COMPLETE))


def test_production_loads_nothing_of_passes() -> None:
    """The three functions as a cold start wires them: no module of passes is imported."""
    own = {"AWS_DEFAULT_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    folders = [str(ROOT / "functions" / name) for name in ("administer", "appraise_evidence", "renew_token")]
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, *folders],
        env={**os.environ, **environment(), **own},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().splitlines()[-1] == "[]"
