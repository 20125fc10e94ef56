"""AWS signatures as the local gateway checks them: what botocore signs passes, and every single change is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bonafide.operator.signed_request import (
    SECRET,
    TOLERANCE,
    InvalidSignature,
    NotSigned,
    SentRequest,
    identity_of,
    signer_of,
)

NOW = 1_796_000_000.0
REGION = "eu-central-1"
URL = "http://127.0.0.1:8700/admin/apis/https%3A%2F%2Fapi.example?limit=5&after=a%20b&flag"


@pytest.fixture
def sign(monkeypatch: pytest.MonkeyPatch) -> Callable[..., SentRequest]:
    """Signs as the AWS SDK does."""

    def signed(
        url: str = URL, *, name: str = "alice", secret: str = SECRET, region: str = REGION, service: str = "execute-api"
    ) -> SentRequest:
        monkeypatch.setattr(auth, "get_current_datetime", lambda: datetime.fromtimestamp(NOW, UTC))
        request = AWSRequest("PUT", url, headers={"X-Amz-Meta": "one   two"}, data=b'{"routes":[]}')
        auth.SigV4Auth(Credentials(name, secret), service, region).add_auth(request)
        parts = urlsplit(url)
        lines = [*request.headers.items(), ("Host", parts.netloc), ("User-Agent", "test")]
        return SentRequest("PUT", f"{parts.path}?{parts.query}", lines, b'{"routes":[]}')

    return signed


Sign = Callable[..., SentRequest]


def with_header(request: SentRequest, name: str, value: str | None) -> SentRequest:
    kept = [line for line in request.headers if line[0].lower() != name.lower()]
    return replace(request, headers=kept if value is None else [*kept, (name, value)])


def header(request: SentRequest, name: str) -> str:
    (value,) = (value for line, value in request.headers if line.lower() == name.lower())
    return value


def test_request_signed_by_the_sdk_names_its_signer(sign: Sign) -> None:
    """Path and query with escapes, a header with spaces, and a body."""
    assert signer_of(sign(), region=REGION, now=NOW) == "alice"


@pytest.mark.parametrize("url", ["http://h/", "http://h/a/b", "http://h/a?b=2&a=1&a=0", "http://h/%E2%82%AC/-_~"])
def test_path_and_query_are_read_as_the_sdk_writes_them(sign: Sign, url: str) -> None:
    """Empty paths, several values of one name, text beyond ASCII."""
    assert signer_of(sign(url), region=REGION, now=NOW) == "alice"


@pytest.mark.parametrize("seconds", [-TOLERANCE, TOLERANCE])
def test_signature_of_five_minutes_counts(sign: Sign, seconds: int) -> None:
    """Clocks differ."""
    assert signer_of(sign(), region=REGION, now=NOW + seconds) == "alice"


def test_request_without_signature_is_not_signed(sign: Sign) -> None:
    """AWS calls that a missing authentication token."""
    with pytest.raises(NotSigned):
        signer_of(with_header(sign(), "Authorization", None), region=REGION, now=NOW)


CHANGES: dict[str, tuple[Callable[[SentRequest], SentRequest], str]] = {
    "body": (lambda r: replace(r, body=b'{"routes":[1]}'), "does not match"),
    "method": (lambda r: replace(r, method="POST"), "does not match"),
    "path": (lambda r: replace(r, target=r.target.replace("example", "exampl3")), "does not match"),
    "query": (lambda r: replace(r, target=r.target.replace("limit=5", "limit=6")), "does not match"),
    "host": (lambda r: with_header(r, "Host", "elsewhere"), "does not match"),
    "signed header": (lambda r: with_header(r, "X-Amz-Meta", "three"), "does not match"),
    "signer": (
        lambda r: with_header(r, "Authorization", header(r, "Authorization").replace("alice", "bob/x/y/z")),
        "5 slash-delimited",
    ),
    "added header": (lambda r: with_header(r, "X-Amz-Security-Token", "stolen"), "must be a 'SignedHeader'"),
    "no date": (lambda r: with_header(r, "X-Amz-Date", None), "existence of either"),
    "another day": (lambda r: with_header(r, "X-Amz-Date", "20260101T000000Z"), "does not match YYYYMMDD"),
    "another scheme": (lambda r: with_header(r, "Authorization", "Bearer abc"), "'Credential' parameter"),
    "no signature": (
        lambda r: with_header(r, "Authorization", header(r, "Authorization").split(", Signature")[0]),
        "'Signature' parameter",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_request_is_refused_in_aws_words(sign: Sign, change: str) -> None:
    """The attack: an attacker between operator and gateway alters what was signed."""
    alter, message = CHANGES[change]
    with pytest.raises(InvalidSignature, match=message):
        signer_of(alter(sign()), region=REGION, now=NOW)


def test_claimed_content_hash_does_not_stand_in_for_the_body(sign: Sign) -> None:
    """The attack: the header still says the old hash, and the body is another."""
    request = with_header(sign(), "X-Amz-Content-Sha256", "0" * 64)
    with pytest.raises(InvalidSignature):
        signer_of(request, region=REGION, now=NOW)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"secret": "guess"}, "does not match"),
        ({"region": "us-east-1"}, "valid region, not 'us-east-1'"),
        ({"service": "s3"}, "correct service: 'execute-api'"),
        ({"name": "no/such"}, "5 slash-delimited"),
        ({"name": "no such"}, "security token included in the request is invalid"),
    ],
    ids=str,
)
def test_signature_of_another_scope_or_secret_is_refused(sign: Sign, wrong: dict[str, str], message: str) -> None:
    """One secret, one region, one service."""
    with pytest.raises(InvalidSignature, match=message):
        signer_of(sign(**wrong), region=REGION, now=NOW)


@pytest.mark.parametrize(("seconds", "word"), [(TOLERANCE + 1, "expired"), (-TOLERANCE - 1, "not yet current")])
def test_signature_beyond_five_minutes_is_refused(sign: Sign, seconds: int, word: str) -> None:
    """The attack: a recorded request is sent again later."""
    with pytest.raises(InvalidSignature, match=word):
        signer_of(sign(), region=REGION, now=NOW + seconds)


def test_signer_is_a_user_of_the_account() -> None:
    """As API Gateway tells functions."""
    identity = identity_of("alice", "000000000000")
    assert identity["userArn"] == "arn:aws:iam::000000000000:user/alice"
    assert set(identity) == {"accessKey", "accountId", "caller", "user", "userArn"}
