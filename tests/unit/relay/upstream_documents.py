"""One upstream as an operator would write it, for tests."""

from __future__ import annotations

from typing import Any, Final

DOCUMENT: Final[dict[str, Any]] = {
    "assistant": {
        "base": "https://api.example.com/base",
        "apps": ["com.example.app"],
        "routes": [["POST", "/v1/messages"], ["GET", "/v1/models/{model}"]],
        "credential": {"header": "authorization", "prefix": "Bearer "},
        "query": ["beta"],
        "answer_headers": ["request-id"],
        "fixed_headers": {"anthropic-version": "2023-06-01"},
        "most_request_bytes": 4096,
        "most_answer_bytes": 65536,
        "seconds": 30,
        "budget": {
            "per_key": {"window": "day", "requests": 100, "units": 5000},
            "per_app": {"window": "month", "requests": 1000, "units": 50000},
            "most_units": 2000,
        },
    }
}
