"""Checks AWS Signature Version 4 on a request, as API Gateway does for methods with AWS_IAM authorization.

The local stack knows one secret and every access key: an access key id NAME is the user NAME of the local account, so
several operators can be played. What is checked is what AWS checks: the signature over method, path, query, signed
headers and body, its scope, and its date. https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

SECRET: Final = "test"
SERVICE: Final = "execute-api"
TOLERANCE: Final = 300
"""Seconds that a signature's date may differ from the gateway's clock."""

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_NAME: Final = re.compile(r"[A-Za-z0-9_.@+=-]{1,64}\Z", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z\Z", re.ASCII)
_PARAMETERS: Final = ("Credential", "Signature", "SignedHeaders")
_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


class NotSigned(Exception):
    """The request has no signature at all: to API Gateway, a missing authentication token."""


class InvalidSignature(Exception):
    """There is a signature, and it is not good for this request now. The message is AWS's."""


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request as it came: ``target`` is the path with its query, still encoded; ``headers`` are its lines."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes


def signer_of(request: SentRequest, *, region: str, now: float) -> str:
    """The access key id that signed the request. ``now`` is Unix seconds.

    Raises :class:`NotSigned` or :class:`InvalidSignature`.
    """
    authorization = _header(request.headers, "authorization")
    if authorization is None:
        raise NotSigned
    parameters = _parameters(authorization)
    name, date, *scope = parameters["Credential"].split("/")
    if scope != [region, SERVICE, "aws4_request"]:
        raise InvalidSignature(_wrong_scope(scope, region))
    if _NAME.match(name) is None:
        raise InvalidSignature("The security token included in the request is invalid.")
    stamp = _header(request.headers, "x-amz-date") or ""
    _check_date(stamp, date, now)
    signed = parameters["SignedHeaders"].split(";")
    must = {"host", *(line.lower() for line, _ in request.headers if line.lower().startswith("x-amz-"))}
    if not must <= set(signed):
        # The attack: a header that changes the request's meaning is added to another caller's signed request.
        raise InvalidSignature(f"'{min(must - set(signed))}' must be a 'SignedHeader' in the AWS Authorization.")
    canonical = _canonical(request, signed)
    expected = signature(canonical, stamp=stamp, region=region, secret=SECRET)
    if not hmac.compare_digest(expected.encode("ascii"), parameters["Signature"].encode("utf-8", "replace")):
        raise InvalidSignature(_MISMATCH)
    return name


def signature(canonical: str, *, stamp: str, region: str, secret: str) -> str:
    """The signature of a canonical request, in hex."""
    scope = f"{stamp[:8]}/{region}/{SERVICE}/aws4_request"
    digest = hashlib.sha256(canonical.encode("utf-8")).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in (stamp[:8], region, SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode("utf-8"), "sha256")
    return hmac.digest(key, f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()


def identity_of(name: str, account_id: str) -> dict[str, str]:
    """What API Gateway says of the caller in ``requestContext.identity``."""
    return {
        "accessKey": name,
        "accountId": account_id,
        "caller": name,
        "user": name,
        "userArn": f"arn:aws:iam::{account_id}:user/{name}",
    }


def _parameters(authorization: str) -> dict[str, str]:
    algorithm, _, rest = authorization.partition(" ")
    pairs = (part.strip().partition("=") for part in rest.split(", " if ", " in rest else ","))
    found = {name: value for name, _, value in pairs}
    missing = [name for name in _PARAMETERS if not found.get(name)]
    if algorithm != _ALGORITHM or missing:
        missing = missing or ["Credential"]
        raise InvalidSignature(" ".join(f"Authorization header requires '{name}' parameter." for name in missing))
    if found["Credential"].count("/") != 4:
        raise InvalidSignature("Credential must have exactly 5 slash-delimited elements.")
    return found


def _wrong_scope(scope: Sequence[str], region: str) -> str:
    if scope[0] != region:
        return f"Credential should be scoped to a valid region, not '{scope[0]}'."
    if scope[1] != SERVICE:
        return f"Credential should be scoped to correct service: '{SERVICE}'."
    return "Credential should be scoped with a valid terminator: 'aws4_request'."


def _check_date(stamp: str, date: str, now: float) -> None:
    if _DATE.match(stamp) is None:
        raise InvalidSignature("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if stamp[:8] != date:
        raise InvalidSignature(
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: {date}"
        )
    try:
        moment = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise InvalidSignature(f"Date is not valid: {stamp}") from None
    clock = f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
    if moment < now - TOLERANCE:
        raise InvalidSignature(f"Signature expired: {stamp} is now earlier than {clock} less 5 min.")
    if moment > now + TOLERANCE:
        raise InvalidSignature(f"Signature not yet current: {stamp} is still later than {clock} plus 5 min.")


def _canonical(request: SentRequest, signed: Iterable[str]) -> str:
    path, _, query = request.target.partition("?")
    pairs = sorted(tuple(pair.partition("=")[::2]) for pair in query.split("&") if pair)
    names = sorted(signed)
    lines = [f"{name}:{','.join(_values(request.headers, name))}" for name in names]
    return "\n".join(
        (
            request.method.upper(),
            quote(path or "/", safe="/~"),  # encoded once more than it was sent: only S3 takes it as it is
            "&".join(f"{name}={value}" for name, value in pairs),
            *lines,
            "",
            ";".join(names),
            hashlib.sha256(request.body).hexdigest(),  # of what came, whatever a header says
        )
    )


def _values(headers: Iterable[tuple[str, str]], name: str) -> list[str]:
    return [" ".join(value.split()) for line, value in headers if line.lower() == name]


def _header(headers: Iterable[tuple[str, str]], name: str) -> str | None:
    values = [value for line, value in headers if line.lower() == name]
    return values[0] if len(values) == 1 else None
