"""``bonafide attest`` as an Android phone and a HarmonyOS device, signals with a detail, proofs with a body."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from attestation.client_data import parse_client_data
from bonafide_tokens.jose import b64url_decode
from bonafide_tokens.proof import verify_proof
from bonafide_tokens.signed_body import content_digest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from typer.testing import Result

from devkit.devices.android.releases import RELEASES as ANDROID
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.device_store import DeviceStore
from devkit.devices.harmony.device import RELEASES as HARMONY
from devkit.devices.key_store_installation import AndroidInstallation, HarmonyInstallation

Run = Callable[..., Result]
CHALLENGE = "A" * 64
DEVICES = [*(("android", name) for name in ANDROID), *(("harmony", name) for name in HARMONY)]


def body(bonafide: Run, *options: str) -> dict[str, Any]:
    result = bonafide("attest", "--challenge", CHALLENGE, *options)
    assert result.exit_code == 0, result.output
    written: dict[str, Any] = json.loads(result.stdout)
    return written


@pytest.mark.parametrize(("platform", "release"), DEVICES)
def test_device_of_every_release_is_kept_and_renews(
    bonafide: Run, run_folder: Path, platform: str, release: str
) -> None:
    """The key that attested signs the renewal, also in another process; the build is the one that was asked for."""
    enrolled = body(bonafide, "--platform", platform, "--generation", release, "--build", "42")
    assert enrolled["evidence"][0]["format"] == f"{platform}-key-attestation"
    assert parse_client_data(b64url_decode(enrolled["client_data"])).app_build == "42"
    kept = DeviceStore(run_folder / "devices", DeviceAuthority.load(run_folder / "authority")).load("iphone")
    assert isinstance(kept, AndroidInstallation if platform == "android" else HarmonyInstallation)
    renewed = body(bonafide, "--renew", "--signal", "hooking:frida")
    assert renewed["key_id"] == kept.bonafide_key_id
    client_data = b64url_decode(renewed["client_data"])
    assert parse_client_data(client_data).app_build == "42"
    signature = b64url_decode(renewed["evidence"][0]["signature"])
    both = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    kept.attested_key.public_key().verify(both, client_data, ec.ECDSA(hashes.SHA256()))


def test_what_is_said_of_the_build_reaches_the_evidence(bonafide: Run, run_folder: Path) -> None:
    """Package, signer and version code are what the hardware vouches for."""
    signer = sha256(b"a certificate").hexdigest()
    said = ("--package", "com.example.orders", "--signer", signer, "--app", "orders", "--build", "7")
    body(bonafide, "--platform", "android", *said)
    kept = DeviceStore(run_folder / "devices", DeviceAuthority.load(run_folder / "authority")).load("iphone")
    assert isinstance(kept, AndroidInstallation)
    assert (kept.app, kept.phone.package, kept.phone.signer.hex()) == ("orders", "com.example.orders", signer)
    assert kept.phone.version_code == 7


@pytest.mark.parametrize(
    ("text", "name", "detail"),
    [
        ("hooking", "hooking", None),
        ("hooking:frida", "hooking", "frida"),
        ("hooking:frida:27042", "hooking", "frida:27042"),
        ("memory-dump: /proc/self/mem", "memory-dump", " /proc/self/mem"),
    ],
)
def test_signal_has_a_name_and_what_was_seen(bonafide: Run, text: str, name: str, detail: str | None) -> None:
    """Rules go by the name: with the detail in it, none of them would match."""
    for platform in ("ios", "android", "harmony"):
        client_data = parse_client_data(
            b64url_decode(body(bonafide, "--platform", platform, "--signal", text)["client_data"])
        )
        assert [(signal.name, signal.detail) for signal in client_data.signals] == [(name, detail)]


@pytest.mark.parametrize(
    "options",
    [
        ("--signal", ":frida"),
        ("--signal", "hooking:"),
        ("--signal", "Hooking tool"),
        ("--signal", ""),
        ("--platform", "windows"),
        ("--platform", "android", "--generation", "ios-26"),
        ("--platform", "harmony", "--generation", "pixel-9"),
        ("--platform", "android", "--build", "1.2"),
        ("--platform", "android", "--build", "9" * 30),
        ("--platform", "android", "--signer", "ab"),
        ("--platform", "android", "--apple-app-id", "TEAMID1234.org.example"),
        ("--platform", "harmony", "--development"),
        ("--package", "org.example"),
        ("--signer", "ab" * 32),
    ],
    ids=str,
)
def test_options_that_do_not_go_together_are_wrong_usage(bonafide: Run, run_folder: Path, options: tuple[str]) -> None:
    """And no device is made."""
    result = bonafide("attest", "--challenge", CHALLENGE, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert not (run_folder / "devices").exists()


@pytest.mark.parametrize("platform", ["ios", "android", "harmony"])
def test_proof_signs_the_body_too(bonafide: Run, tmp_path: Path, platform: str) -> None:
    """Bytes as they are: no line end is added, and an empty body is one."""
    client_data = parse_client_data(b64url_decode(body(bonafide, "--platform", platform)["client_data"]))
    url = "https://api.example.com/v1/orders?page=2"
    for content in (b'{"amount": 12}\n', b"\x00\xff", b""):
        (tmp_path / "body").write_bytes(content)
        call = ("proof", "--method", "post", "--url", url, "--token", "a.b.c")
        result = bonafide(*call, "--body", str(tmp_path / "body"))
        assert result.exit_code == 0, result.output
        proof = verify_proof(
            result.stdout.strip(),
            method="POST",
            url=url,
            token="a.b.c",
            request_key_thumbprint=client_data.request_key.thumbprint(),
            now=time.time(),
        )
        assert proof.content_digest == content_digest(content)
    plain = bonafide(*call).stdout.strip()
    assert "content-digest" not in b64url_decode(plain.split(".")[1]).decode()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "orders",
        "/v1/orders",
        "//api.example.com/v1",
        "api.example.com/v1",
        "ftp://api.example.com/v1",
        "file:///etc/passwd",
        "https://",
        "https:///v1",
        "https://user:secret@api.example.com/v1",
        "https://user@api.example.com/v1",
        "https://api.example.com/v1#part",
        "https://api.example.com:0/v1",
        "https://api.example.com:70000/v1",
        "https://api.example.com:port/v1",
        "https://[::1/v1",
        "https://api.example.com\\v1",
        "https:\\\\api.example.com/v1",
        "https://api.exämple.com/v1",
        "https://api.example.com/v 1",
        "https://api.example.com/v1\n",
        "https://api.example.com/{order}",
        "https://api.example.com/" + "x" * 3_000,
        " https://api.example.com/v1",
        "javascript:alert(1)",
    ],
    ids=repr,
)
def test_odd_url_is_refused_with_a_sentence(bonafide: Run, url: str) -> None:
    """A proof for it would be refused at the gate without a visible cause."""
    body(bonafide)
    result = bonafide("proof", "--method", "GET", "--url", url, "--token", "a.b.c")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no URL of a request" in " ".join(result.stderr.split()) or "odd host" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com",
        "http://127.0.0.1:8701/v1/whoami",
        "https://[2001:db8::1]:8443/v1",
        "HTTPS://API.example.com/v1?x=%20",
        "https://api.example.com/v1/orders;v=2/%C3%A4",
    ],
)
def test_ordinary_url_is_taken(bonafide: Run, url: str) -> None:
    """Ports, addresses, queries, escapes."""
    body(bonafide)
    assert bonafide("proof", "--method", "GET", "--url", url, "--token", "a.b.c").exit_code == 0


@pytest.mark.parametrize("method", ["", "GET /", "GE T", "G\nT", "GÉT", "x" * 30])
def test_odd_method_is_refused(bonafide: Run, method: str) -> None:
    """The same."""
    body(bonafide)
    url = "https://api.example.com/v1"
    assert bonafide("proof", "--method", method, "--url", url, "--token", "a.b.c").exit_code == 2


def test_body_and_token_cannot_both_be_piped(bonafide: Run) -> None:
    """One of them would be empty."""
    body(bonafide)
    call = ("proof", "--method", "GET", "--url", "https://api.example.com/v1", "--token", "-", "--body", "-")
    assert bonafide(*call, stdin="a.b.c").exit_code == 2


def test_body_that_is_not_there_is_one_sentence(bonafide: Run) -> None:
    """A typing error."""
    body(bonafide)
    call = ("proof", "--method", "GET", "--url", "https://api.example.com/v1", "--token", "a.b.c", "--body", "nowhere")
    result = bonafide(*call)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "There is no file nowhere" in result.stderr
