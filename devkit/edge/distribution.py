"""A distribution as stacks/edge.yaml describes it, for the local front: origins, behaviours, policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from devkit.local.template import Template

_CACHING_DISABLED: Final = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
_ALL_BUT_HOST: Final = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
_ATTRIBUTES: Final = (
    ("WebAcl", "Arn"),
    ("DocumentsAccess", "Id"),
    ("StripEdgeHeaders", "FunctionMetadata.FunctionARN"),
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where requests go: ``url`` without a slash at its end, and what CloudFront says to it. Seconds are for one
    attempt to connect, and for an answer."""

    id: str
    url: str
    headers: Mapping[str, str]
    connect_seconds: float
    answer_seconds: float
    is_bucket: bool


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long an answer is kept, in seconds, and by which members of the query it is told from others."""

    minimum: float = 0
    default: float = 0
    maximum: float = 0
    query: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One path pattern: the origins to ask in turn, on which statuses the next one is asked, what is kept and sent on.

    ``forwarded`` are the headers of a request that the origin gets, in small letters; ``None`` is all but Host.
    """

    pattern: str
    methods: frozenset[str]
    origins: tuple[Origin, ...]
    failover: frozenset[int]
    cache: CachePolicy
    forwarded: frozenset[str] | None
    added: tuple[tuple[str, str], ...]
    removed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Distribution:
    """Behaviours in order; the last one is for every path."""

    behaviours: tuple[Behaviour, ...]

    def of(self, path: str) -> Behaviour:
        """The first whose pattern fits: `*` is any text, slashes too, `?` any one character, case counts."""
        return next(one for one in self.behaviours if fnmatchcase(path, one.pattern))


def read_distribution(template: Template, urls: Mapping[str, str]) -> Distribution:
    """The template's distribution. ``urls`` are where its origins are on this machine, by id."""
    for kind in ("CachePolicy", "OriginRequestPolicy", "ResponseHeadersPolicy"):
        for name in template.resources(f"AWS::CloudFront::{kind}"):
            template.physical_ids[name] = name
    for place in _ATTRIBUTES:
        template.attributes[place] = place[0]
    config = template.properties("Distribution")["DistributionConfig"]
    reader = _Reader(template, {one["Id"]: _origin(one, urls) for one in config["Origins"]}, config["OriginGroups"])
    listed = [*config["CacheBehaviors"], {"PathPattern": "*", **config["DefaultCacheBehavior"]}]
    return Distribution(tuple(map(reader.behaviour, listed)))


def _origin(one: Mapping[str, Any], urls: Mapping[str, str]) -> Origin:
    seconds = float(one["ConnectionAttempts"]) * float(one["ConnectionTimeout"])
    return Origin(
        id=one["Id"],
        url=urls[one["Id"]],
        headers={given["HeaderName"]: given["HeaderValue"] for given in one.get("OriginCustomHeaders", ())},
        connect_seconds=seconds,
        answer_seconds=float(one.get("CustomOriginConfig", {}).get("OriginReadTimeout", 30)),
        is_bucket="S3OriginConfig" in one,
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    template: Template
    origins: Mapping[str, Origin]
    groups: Mapping[str, Any]

    def behaviour(self, one: Mapping[str, Any]) -> Behaviour:
        target, failover = one["TargetOriginId"], frozenset[int]()
        members = [target]
        for group in self.groups["Items"]:
            if group["Id"] == target:
                members = [member["OriginId"] for member in group["Members"]["Items"]]
                failover = frozenset(map(int, group["FailoverCriteria"]["StatusCodes"]["Items"]))
        added, removed = self._answer_headers(one.get("ResponseHeadersPolicyId"))
        return Behaviour(
            pattern=one["PathPattern"],
            methods=frozenset(one["AllowedMethods"]),
            origins=tuple(self.origins[name] for name in members),
            failover=failover,
            cache=self._cache(one["CachePolicyId"]),
            forwarded=self._forwarded(one.get("OriginRequestPolicyId")),
            added=added,
            removed=removed,
        )

    def _cache(self, policy: str) -> CachePolicy:
        if policy == _CACHING_DISABLED:
            return CachePolicy()
        config = self.template.properties(policy)["CachePolicyConfig"]
        query = config["ParametersInCacheKeyAndForwardedToOrigin"]["QueryStringsConfig"].get("QueryStrings", ())
        minimum, default, maximum = (float(config[name]) for name in ("MinTTL", "DefaultTTL", "MaxTTL"))
        return CachePolicy(minimum, default, maximum, tuple(query))

    def _forwarded(self, policy: str | None) -> frozenset[str] | None:
        if policy is None:
            return frozenset()
        if policy == _ALL_BUT_HOST:
            return None
        config = self.template.properties(policy)["OriginRequestPolicyConfig"]["HeadersConfig"]
        return frozenset(name.lower() for name in config["Headers"])

    def _answer_headers(self, policy: str | None) -> tuple[tuple[tuple[str, str], ...], frozenset[str]]:
        if policy is None:
            return (), frozenset()
        config = self.template.properties(policy)["ResponseHeadersPolicyConfig"]
        removed = (one["Header"].lower() for one in config.get("RemoveHeadersConfig", {}).get("Items", ()))
        return (*_security(config["SecurityHeadersConfig"]), *_cors(config.get("CorsConfig"))), frozenset(removed)


def _security(config: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield "Strict-Transport-Security", f"max-age={config['StrictTransportSecurity']['AccessControlMaxAgeSec']}"
    yield "X-Content-Type-Options", "nosniff"
    yield "X-Frame-Options", config["FrameOptions"]["FrameOption"]
    yield "Referrer-Policy", config["ReferrerPolicy"]["ReferrerPolicy"]
    yield "Content-Security-Policy", config["ContentSecurityPolicy"]["ContentSecurityPolicy"]


def _cors(config: Mapping[str, Any] | None) -> Iterable[tuple[str, str]]:
    if config is not None:
        yield "Access-Control-Allow-Origin", config["AccessControlAllowOrigins"]["Items"][0]
        yield "Access-Control-Expose-Headers", ",".join(config["AccessControlExposeHeaders"]["Items"])
