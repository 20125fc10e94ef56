"""Google's decode endpoint over the network: the stand-in that checks grants, and servers that are in trouble."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from attestation.android.play_integrity import read_decode_answer
from attestation.errors import AttestationError, MalformedEvidence, Reason, RejectedEvidence
from bonafide_tokens.jose import b64url_encode
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from service.vendors.play_decoder import GooglePlayDecoder, PlayUnavailable, ServiceAccount

from devkit.devices.android.play_integrity import verdict
from devkit.local.vendor_servers import VendorServers
from tests.service_stack.google import running_google
from tests.service_stack.loopback import Scripted, http, serving
from tests.service_stack.memory_stack import PACKAGE, SIGNER

JSON = "application/json"
TOKEN = http(200, b'{"access_token":"at","expires_in":3599,"token_type":"Bearer"}', Content_Type=JSON)


@pytest.fixture
def vendors(tmp_path: Path) -> Iterator[VendorServers]:
    """Google on the loopback, with a list that the test may rewrite."""
    with running_google(tmp_path) as servers:
        yield servers


@pytest.fixture
def account(vendors: VendorServers) -> ServiceAccount:
    return ServiceAccount.read(vendors.service_account.read_bytes())


@pytest.fixture(autouse=True)
def _short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.vendors.play_decoder.TOKEN_TIMEOUT", 0.5)
    monkeypatch.setattr("service.vendors.play_decoder.DECODE_TIMEOUT", 0.5)


def a_token(vendors: VendorServers, digest: bytes = bytes(32)) -> str:
    request_hash = b64url_encode(digest)
    return vendors.google.standard_token(
        verdict(package=PACKAGE, signer=SIGNER, now=time.time(), request_hash=request_hash)
    )


def test_token_is_opened_with_one_grant_for_many(vendors: VendorServers, account: ServiceAccount) -> None:
    """RFC 7523: the stand-in verifies the assertion's signature, audience, scope and lifetime. Tokens are kept."""
    decoder = GooglePlayDecoder(vendors.url)
    for number in range(3):
        answer = decoder.decode(account, PACKAGE, a_token(vendors, bytes([number]) * 32), time.time())
        payload: Any = read_decode_answer(answer)
        assert payload["requestDetails"]["requestPackageName"] == PACKAGE
        assert payload["deviceIntegrity"]["deviceRecognitionVerdict"]
    assert vendors.asked == ["POST /token", *[f"POST /v1/{PACKAGE}:decodeIntegrityToken"] * 3]


def test_access_token_is_renewed_before_it_ends(vendors: VendorServers, account: ServiceAccount) -> None:
    """A minute early, by our clock."""
    decoder, now = GooglePlayDecoder(vendors.url), time.time()
    for moment in (now, now + 3599 - 61, now + 3599 - 59):
        decoder.decode(account, PACKAGE, a_token(vendors, bytes([int(moment) % 251]) * 32), moment)
    assert vendors.asked.count("POST /token") == 2


def test_second_decode_is_blanked_by_google(vendors: VendorServers, account: ServiceAccount) -> None:
    """Why the service keeps answers for a quarter of an hour."""
    decoder, token = GooglePlayDecoder(vendors.url), a_token(vendors)
    first, second = (json.loads(decoder.decode(account, PACKAGE, token, time.time())) for _ in range(2))
    assert first["tokenPayloadExternal"]["deviceIntegrity"]["deviceRecognitionVerdict"]
    assert second["tokenPayloadExternal"]["deviceIntegrity"] == {}


def test_token_of_another_app_is_malformed(vendors: VendorServers, account: ServiceAccount) -> None:
    """Google's 400."""
    with pytest.raises(MalformedEvidence):
        GooglePlayDecoder(vendors.url).decode(account, "org.example.other", a_token(vendors), time.time())


def test_account_that_google_does_not_know_is_our_trouble(vendors: VendorServers, account: ServiceAccount) -> None:
    """Another key under the same name: no access token, 503, and never a judgement about the phone."""
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = replace(account, private_key=_pem(other))
    with pytest.raises(PlayUnavailable, match="no access token"):
        GooglePlayDecoder(vendors.url).decode(forged, PACKAGE, a_token(vendors), time.time())


@pytest.mark.parametrize(
    "package",
    ["", "demo", "org/../../v1/x", "org.example.demo:decode", "org.example.demo?x=1", "org.example\r\n.demo",
     "örg.example", "org..example", ".org.example", "org.example.", "org.1example", "a." + "b" * 300],
)  # fmt: skip
def test_package_that_could_bend_the_address_is_never_sent(
    vendors: VendorServers, account: ServiceAccount, package: str
) -> None:
    """It would become part of the URL, beside our access token."""
    with pytest.raises(RejectedEvidence) as refused:
        GooglePlayDecoder(vendors.url).decode(account, package, "token", time.time())
    assert refused.value.reason is Reason.APP_MISMATCH
    assert vendors.asked == []


def outcome(script: Scripted, account: ServiceAccount, access: Scripted | None = None) -> Exception:
    """What decoding raises when the API says ``script`` and the token endpoint ``access``."""
    with serving(script) as api, serving(access or Scripted(TOKEN)) as grants:
        ours = ServiceAccount(account.client_email, account.private_key, token_uri=f"{grants.url}/token")
        try:
            GooglePlayDecoder(api.url).decode(ours, PACKAGE, "token", time.time())
        except (AttestationError, PlayUnavailable) as error:
            return error
    raise AssertionError("decoded")


@pytest.mark.parametrize("status", [400])
def test_bad_request_is_malformed_evidence(account: ServiceAccount, status: int) -> None:
    """The client's bytes are no token."""
    assert isinstance(outcome(Scripted(http(status, b"{}")), account), MalformedEvidence)


@pytest.mark.parametrize("status", [403, 404])
def test_forbidden_is_rejected_evidence(account: ServiceAccount, status: int) -> None:
    """A token of an app that is not ours, says Google."""
    refused = outcome(Scripted(http(status, b"{}")), account)
    assert isinstance(refused, RejectedEvidence)
    assert refused.reason is Reason.INTEGRITY_TOKEN_KEY


TROUBLE: dict[str, Scripted] = {
    "unauthorized": Scripted(http(401)),
    "timeout status": Scripted(http(408)),
    "error": Scripted(http(500)),
    "bad gateway": Scripted(http(502)),
    "unavailable": Scripted(http(503, Retry_After="30")),
    "redirect": Scripted(http(302, Location="https://example.com/")),
    "created": Scripted(http(201, b"{}")),
    "slow": Scripted(http(200, b"{}"), delay=5),
    "dripping": Scripted(http(200, b"{}" + b" " * 100), pace=0.05),
    "cut off": Scripted(http(200, b"{", length=100)),
    "garbage": Scripted(b"garbage\r\n"),
    "nothing": Scripted(b""),
    "no JSON": Scripted(http(200, b"{")),
    "no verdict": Scripted(http(200, b"{}")),
    "huge": Scripted(http(200, b" " * 70_000)),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_is_unavailable_and_never_trusted(account: ServiceAccount, trouble: str) -> None:
    """Neither a verdict nor a refusal comes of it."""
    assert isinstance(outcome(TROUBLE[trouble], account), PlayUnavailable)


@pytest.mark.parametrize("trouble", [*TROUBLE, "no token", "token with a line break", "token as a number"])
def test_trouble_with_the_grant_is_unavailable(account: ServiceAccount, trouble: str) -> None:
    """The token endpoint is Google's as well."""
    odd = {
        "no token": Scripted(http(200, b'{"expires_in":3599}')),
        "token with a line break": Scripted(http(200, b'{"access_token":"a\\r\\nX-Header: 1","expires_in":3599}')),
        "token as a number": Scripted(http(200, b'{"access_token":7}')),
    }
    api = Scripted(http(200, b"{}"))
    assert isinstance(outcome(api, account, access=TROUBLE.get(trouble) or odd[trouble]), PlayUnavailable)
    assert api.requests == []


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [(None, 60.0), ("7", 7.0), ("0", 1.0), ("999999", 3600.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 60.0), ("-5", 60.0)],
)
def test_too_many_requests_says_how_long_to_pause(
    account: ServiceAccount, retry_after: str | None, pause: float
) -> None:
    """429: between a second and an hour, a minute where Google does not say."""
    headers: dict[str, Any] = {} if retry_after is None else {"Retry_After": retry_after}
    trouble = outcome(Scripted(http(429, **headers)), account)
    assert isinstance(trouble, PlayUnavailable)
    assert trouble.pause == pause


def test_access_token_that_was_refused_is_not_used_again(account: ServiceAccount) -> None:
    """401: the next call asks for another."""
    with serving(Scripted(http(401))) as api, serving(Scripted(TOKEN)) as grants:
        ours = ServiceAccount(account.client_email, account.private_key, token_uri=f"{grants.url}/token")
        decoder = GooglePlayDecoder(api.url)
        for _ in range(2):
            with pytest.raises(PlayUnavailable):
                decoder.decode(ours, PACKAGE, "token", time.time())
        assert len(grants.requests) == 2


BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "no object": lambda _good: [],
    "no mail": lambda good: {**good, "client_email": None},
    "no key": lambda good: {**good, "private_key": ""},
    "no PEM": lambda good: {**good, "private_key": "secret words"},
    "an EC key": lambda good: {**good, "private_key": _pem(ec.generate_private_key(ec.SECP256R1()))},
    "http elsewhere": lambda good: {**good, "token_uri": "http://example.com/token"},
}


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


@pytest.mark.parametrize("fault", BROKEN)
def test_key_file_that_cannot_work_is_refused_without_quoting_it(account: ServiceAccount, fault: str) -> None:
    """An operator hears what is wrong when he gives it, not a phone when it enrols."""
    good = json.loads(account.to_json())
    with pytest.raises(ValueError) as refused:
        ServiceAccount.read(json.dumps(BROKEN[fault](good)).encode())
    assert "secret words" not in str(refused.value)
    assert "PRIVATE KEY" not in str(refused.value)


def test_what_is_sealed_is_what_is_used_and_fits_kms(account: ServiceAccount) -> None:
    """Google's file has more members; KMS Encrypt takes 4,096 bytes. A 4,096-bit key still fits."""
    assert ServiceAccount.read(account.to_json()) == account
    assert len(account.to_json()) < 2_500
    assert account.private_key not in repr(account)
