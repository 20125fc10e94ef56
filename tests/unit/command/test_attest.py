"""``bonafide attest`` and ``bonafide proof``: what they write is what a stack takes."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from attestation.attested_key import AttestedKey
from attestation.claims import Claims
from attestation.client_data import ClientData, parse_client_data
from attestation.encoding.certificate import read_certificate
from attestation.endorsements import TrustAnchor, pinned_endorsements
from attestation.errors import AttestationError, Reason
from attestation.evidence import parse_evidence
from attestation.reference_values import AppleReferenceValues, ReferenceValues
from attestation.verify import verify
from bonafide_tokens.jose import b64url_decode
from bonafide_tokens.proof import verify_proof
from typer.testing import Result

from bonafide.operator.registration import DEMO_APPLE_APP_ID
from devkit.devices.apple.generations import GENERATIONS
from devkit.devices.authority.authority import DeviceAuthority

Run = Callable[..., Result]
CHALLENGE = "A" * 64


def _judge(
    run_folder: Path, body: dict[str, object], attested_key: AttestedKey | None = None
) -> tuple[Claims, ClientData]:
    """Verify a request body as the stack would."""
    evidence = body["evidence"]
    assert isinstance(evidence, list)
    client_data = b64url_decode(str(body["client_data"]))
    root = DeviceAuthority.load(run_folder / "authority").root_certificate
    claims = verify(
        parse_evidence(evidence[0]),
        client_data_hash=sha256(client_data).digest(),
        reference_values=ReferenceValues(apple=AppleReferenceValues(app_ids=(DEMO_APPLE_APP_ID,))),
        endorsements=pinned_endorsements().with_development_anchors([TrustAnchor.of(read_certificate(root))]),
        now=time.time(),
        attested_key=attested_key,
    )
    return claims, parse_client_data(client_data)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_attest_writes_a_body_that_verifies(bonafide: Run, run_folder: Path, generation: str) -> None:
    """For every release: evidence over the challenge, bound to the client data that carries the request key."""
    result = bonafide("attest", "--challenge", CHALLENGE, "--generation", generation)
    assert result.exit_code == 0
    body = json.loads(result.stdout)
    claims, client_data = _judge(run_folder, body)
    assert body["app"] == "demo"
    assert client_data.challenge == CHALLENGE
    assert claims.app_id == DEMO_APPLE_APP_ID


def test_renewal_is_signed_by_the_key_that_attested(bonafide: Run, run_folder: Path) -> None:
    """The device is kept between two commands, and its counter grows with each renewal."""
    enrolled, _ = _judge(run_folder, json.loads(bonafide("attest", "--challenge", CHALLENGE).stdout))
    for counter in (1, 2, 3):
        body = json.loads(bonafide("attest", "--renew", "--challenge", CHALLENGE).stdout)
        stored = AttestedKey(
            public_key=enrolled.public_key, counter=counter - 1, apple_app_id=enrolled.app_id, claims=enrolled
        )
        renewed, _ = _judge(run_folder, body, stored)
        assert (body["key_id"], renewed.counter) == (enrolled.key_id, counter)


def test_proof_is_signed_by_the_request_key(bonafide: Run, run_folder: Path) -> None:
    """The proof holds for the method, URL and token it was made for, by the key that client data announced."""
    _, client_data = _judge(run_folder, json.loads(bonafide("attest", "--challenge", CHALLENGE).stdout))
    url = "http://127.0.0.1:8701/v1/whoami"
    result = bonafide("proof", "--method", "post", "--url", url, "--token", "a.b.c")
    verify_proof(
        result.stdout.strip(),
        method="POST",
        url=url,
        token="a.b.c",
        request_key_thumbprint=client_data.request_key.thumbprint(),
        now=time.time(),
    )


def test_devices_do_not_share_keys(bonafide: Run) -> None:
    """Two names are two phones; one name attesting twice is a reinstalled app."""
    bodies = [
        json.loads(bonafide("attest", "--challenge", CHALLENGE, "--device", device).stdout)
        for device in ("a", "b", "a")
    ]
    key_ids = [body["evidence"][0]["key_id"] for body in bodies]
    assert len(set(key_ids)) == 3


def test_device_file_is_private(bonafide: Run, run_folder: Path) -> None:
    """It holds keys that real hardware would never give."""
    bonafide("attest", "--challenge", CHALLENGE)
    assert stat.S_IMODE((run_folder / "devices" / "iphone.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "piped",
    [
        CHALLENGE + "\n",
        json.dumps({"challenge": CHALLENGE, "expires_in": 300}),
        json.dumps({"token": "x", "next_challenge": CHALLENGE}),
    ],
)
def test_challenge_comes_through_a_pipe(bonafide: Run, run_folder: Path, piped: str) -> None:
    """Bare, or inside the stack's answer to a challenge or an enrolment."""
    body = json.loads(bonafide("attest", "--challenge", "-", stdin=piped).stdout)
    assert _judge(run_folder, body)[1].challenge == CHALLENGE


def test_options_make_the_phone_hostile(bonafide: Run, run_folder: Path) -> None:
    """Another team's build and a development build are refused for what they are; a signal reaches client data."""

    def refusal(*options: str) -> Reason:
        body = json.loads(bonafide("attest", "--challenge", CHALLENGE, *options).stdout)
        with pytest.raises(AttestationError) as caught:
            _judge(run_folder, body)
        return caught.value.reason

    assert refusal("--apple-app-id", "EV1LTEAM66.org.bonafide.demo") is Reason.APP_MISMATCH
    assert refusal("--development") is Reason.ENVIRONMENT_NOT_ALLOWED
    body = json.loads(bonafide("attest", "--challenge", CHALLENGE, "--signal", "debugger").stdout)
    assert [signal.name for signal in _judge(run_folder, body)[1].signals] == ["debugger"]


@pytest.mark.parametrize(
    ("arguments", "piped", "sentence"),
    [
        (("attest", "--challenge", "-"), "", "The challenge is empty"),
        (("attest", "--challenge", "-"), '{"title": "Too many requests."}', "no challenge: Too many requests."),
        (("attest", "--challenge", "-"), "{oops", "neither a challenge nor JSON"),
        (("attest", "--challenge", "x", "--app", "bank"), None, "--apple-app-id"),
        (("attest", "--challenge", "x", "--renew", "--device", "nobody"), None, "no software device called nobody"),
        (("attest", "--challenge", "x", "--device", "../escape"), None, "cannot be a device name"),
        (("proof", "--method", "GET", "--url", "http://x/", "--token", "-"), "", "The token is empty"),
    ],
)
def test_mistake_is_answered_with_one_sentence(
    bonafide: Run, arguments: tuple[str, ...], piped: str | None, sentence: str
) -> None:
    """Exit code 1, nothing on standard output that a pipe could take for evidence, no stack trace."""
    result = bonafide(*arguments, stdin=piped)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_damaged_device_file_is_answered_with_one_sentence(bonafide: Run, run_folder: Path) -> None:
    """A half-written or edited file is no reason for a stack trace."""
    bonafide("attest", "--challenge", CHALLENGE)
    (run_folder / "devices" / "iphone.json").write_text('{"app": "demo"}')
    result = bonafide("attest", "--challenge", CHALLENGE, "--renew")
    assert result.exit_code == 1
    assert "is damaged" in result.stderr


def test_renewal_for_another_app_is_refused(bonafide: Run) -> None:
    """A device attested for one app does not renew for another."""
    bonafide("attest", "--challenge", CHALLENGE)
    result = bonafide("attest", "--challenge", CHALLENGE, "--renew", "--app", "bank")
    assert result.exit_code == 1
    assert "attested for demo, not for bank" in result.stderr


@pytest.mark.parametrize(
    "arguments", [("attest",), ("attest", "--challenge", "x", "--generation", "ios-99"), ("nope",)]
)
def test_wrong_usage_exits_with_two(bonafide: Run, arguments: tuple[str, ...]) -> None:
    """Usage errors are told apart from refusals."""
    assert bonafide(*arguments).exit_code == 2
