"""The local gateway's throttles: which bucket a request draws from."""

from __future__ import annotations

from typing import Any

import pytest

from devkit.gateway.throttles import ACCOUNT_BURST, ACCOUNT_RATE, Throttles, TokenBucket

RATE_ONLY: dict[str, Any] = {"HttpMethod": "GET", "ResourcePath": "/~1a", "ThrottlingRateLimit": 3}


def sizes(bucket: TokenBucket) -> tuple[float, float]:
    return bucket.rate, bucket.burst


def test_burst_passes_and_no_more() -> None:
    """As many at once as the burst says."""
    bucket = TokenBucket(0.001, 3)
    assert [bucket.take() for _ in range(5)] == [True, True, True, False, False]


def test_route_with_a_setting_has_a_bucket_of_its_own() -> None:
    """A flood of one leaves the other alone."""
    throttles = Throttles.of_rest_api(
        [
            {"HttpMethod": "*", "ResourcePath": "/*", "ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 1},
            {"HttpMethod": "GET", "ResourcePath": "/~1v1~1{app}", "ThrottlingRateLimit": 7, "ThrottlingBurstLimit": 9},
            {"HttpMethod": "POST", "ResourcePath": "/", "ThrottlingRateLimit": "2", "ThrottlingBurstLimit": "4"},
        ]
    )
    assert sizes(throttles.of("GET", "/v1/{app}")) == (7, 9)
    assert sizes(throttles.of("POST", "/")) == (2, 4)
    shared = throttles.of("POST", "/v1/{app}")
    assert shared is throttles.of("GET", "/elsewhere")
    assert sizes(shared) == (1, 1)


@pytest.mark.parametrize(
    "settings",
    [[], [{}], [{"HttpMethod": "*", "ResourcePath": "/*", "LoggingLevel": "INFO"}], [{"ResourcePath": "/~1a"}]],
)
def test_api_without_throttles_has_what_an_account_has(settings: list[dict[str, Any]]) -> None:
    """The failure: a user's template, which sets log levels or nothing at all, and the gateway dies."""
    assert sizes(Throttles.of_rest_api(settings).of("GET", "/a")) == (ACCOUNT_RATE, ACCOUNT_BURST)
    assert sizes(Throttles.of_http_api({}, {}).of("GET", "/a")) == (ACCOUNT_RATE, ACCOUNT_BURST)


def test_setting_may_name_rate_or_burst_alone() -> None:
    """The other one is the account's."""
    assert sizes(Throttles.of_rest_api([RATE_ONLY]).of("GET", "/a")) == (3, ACCOUNT_BURST)


def test_http_api_has_settings_by_route_key() -> None:
    """As in `GET /orders`, `ANY /orders`; DefaultRouteSettings for the rest."""
    throttles = Throttles.of_http_api(
        {"ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 1},
        {
            "GET /orders": {"ThrottlingRateLimit": 5, "ThrottlingBurstLimit": 6},
            "ANY /items/{item}": {"ThrottlingRateLimit": 7},
            "GET /plain": {"DetailedMetricsEnabled": True},
        },
    )
    assert sizes(throttles.of("GET", "/orders")) == (5, 6)
    assert sizes(throttles.of("PUT", "/items/{item}")) == (7, ACCOUNT_BURST)
    assert throttles.of("GET", "/plain") is throttles.of("POST", "/orders") is throttles.of("GET", "/elsewhere")
