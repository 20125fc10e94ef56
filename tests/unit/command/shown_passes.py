"""Test passes as the Admin API lists them, with names as long as they come."""

from __future__ import annotations

PASS = "ci-0123456789abcdefABCDEF_-"
SUBJECT = "repo:acme/the-orders-app-of-every-country:ref:refs/heads/release/2026.11"
ISSUER_URL = "https://token.actions.githubusercontent.com"
PASSES = {
    "passes": [
        {
            "pass_id": PASS,
            "source": "ci",
            "platform": "android",
            "pass_state": "active",
            "ended": False,
            "ends_at": 1_790_000_000,
            "by": SUBJECT,
        }
    ],
    "complete": False,
    "issuers": [{"issuer": ISSUER_URL, "subject": SUBJECT, "audience": "bonafide-test", "platform": "android"}],
}
