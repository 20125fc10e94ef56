"""Documents at the edge: copies, in a bucket behind CloudFront, of what the verifier publishes.

A key is the path under which the verifier API serves the same document. Every version has a key of its own, which never
changes; the head, which does, is fresh for a second and good enough for much longer while the bucket cannot be asked.
So neither a flood nor a lost API keeps the trust bundle from an authorizer that starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from service.aws import error_code, unavailable_on_failure
from service.errors import Unavailable
from service.tables.trust_bundles import StoredBundle

TRUST_BUNDLE: Final = "v1/trust-bundle"
JWKS: Final = ".well-known/jwks.json"

_IMMUTABLE: Final = "public, max-age=31536000, immutable"
_DAY: Final = 86_400
_ATTEMPTS: Final = 5
_CONDITION_FAILED: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
_ABSENT: Final = frozenset({"404", "NoSuchKey"})
_JWT, _JSON = "application/jwt", "application/json"


@dataclass(frozen=True, slots=True)
class EdgeDocuments:
    """The bucket of that name, through a boto3 S3 client. Its methods raise :class:`~service.errors.Unavailable`, may
    be repeated, and never take a head back: of two publishers, the slower one finds a newer version and leaves it."""

    client: Any
    bucket: str

    def put_bundle(self, bundle: StoredBundle) -> None:
        """Copy a published trust bundle and its JWK Set."""
        self._put(f"{TRUST_BUNDLE}s/{bundle.version}", bundle.jws, _JWT, _IMMUTABLE)
        head = _head(bundle.expires_at - bundle.issued_at)
        self._move(JWKS, bundle.jwks, _JSON, head, bundle.version)
        self._move(TRUST_BUNDLE, bundle.jws, _JWT, head, bundle.version)

    def put_version(self, head: str, jws: str, version: int, resigned: int = 0) -> None:
        """Copy a signed document that has versions under the key of its own and, where it is the newest, the head's.
        ``resigned`` grows when another root signs the same version."""
        self._put(f"{head}/{version}", jws, _JWT, _IMMUTABLE)
        self._move(head, jws, _JWT, _head(_DAY), version, resigned)

    def _move(self, key: str, text: str, media_type: str, cache: str, version: int, resigned: int = 0) -> None:
        told = {"version": str(version), **({"resigned": str(resigned)} if resigned else {})}
        for _ in range(_ATTEMPTS):
            condition = self._condition_below(key, version, resigned)
            if condition is None or self._put(key, text, media_type, cache, told=told, condition=condition):
                return
        raise Unavailable(f"s3:PutObject {key}: {_ATTEMPTS} publishers were faster")

    def _condition_below(self, key: str, version: int, resigned: int) -> dict[str, str] | None:
        """On what the head may be written: that it is still what it was. ``None`` when it is as new or newer."""
        with unavailable_on_failure("s3:HeadObject of the edge"):
            try:
                found = self.client.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if error_code(error) in _ABSENT:
                    return {"IfNoneMatch": "*"}
                raise
        there = tuple(int(found["Metadata"].get(name, 0)) for name in ("version", "resigned"))
        return None if there >= (version, resigned) else {"IfMatch": found["ETag"]}

    def _put(
        self,
        key: str,
        text: str,
        media_type: str,
        cache: str,
        *,
        told: Mapping[str, str] | None = None,
        condition: Mapping[str, str] | None = None,
    ) -> bool:
        with unavailable_on_failure("s3:PutObject of the edge"):
            try:
                self.client.put_object(
                    Bucket=self.bucket,
                    Key=key,
                    Body=text.encode("ascii"),
                    ContentType=media_type,
                    CacheControl=cache,
                    Metadata=dict(told or {}),
                    **(condition or {}),
                )
            except ClientError as error:
                if condition and error_code(error) in _CONDITION_FAILED:
                    return False
                raise
        return True


def _head(stale: int) -> str:
    """Fresh for a second, which is part of how soon a block takes effect; good for ``stale`` seconds while the bucket
    cannot be asked. No stale-while-revalidate: it would give every first caller the version before."""
    return f"public, max-age=1, stale-if-error={stale}"
