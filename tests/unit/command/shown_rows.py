"""Rows of the stack as the Admin API shows them, full of identifiers that are as long as they may be."""

from __future__ import annotations

KEY = "kQ" * 21 + "_"
DIGEST = "5ef4c0d0" * 8
APPLE_ID = "TEAMID1234.com.example.the.very.long.reverse.domain.name.of.an.app"
ARN = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_PolicyPublisher_0a1b2c3d4e5f6071/ann.example@example.org"
AUDIENCE = "https://abcdefghij.execute-api.eu-central-1.amazonaws.com/prod/orders"
PATH = "/v1/customers/{customer_id}/accounts/{account_id}/transactions/*"
RULE = "android-verified-boot-key-of-another-operating-system"
MOMENT = 1_790_000_000
SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:orders/the-maps-key-of-production-AbCdEf"

REGISTRATION = {
    "app": "orders",
    "apple_app_ids": [APPLE_ID],
    "apple_environments": ["production"],
    "android_packages": ["com.example.the.very.long.reverse.domain.name.of.an.app"],
    "android_signing_digests": [DIGEST],
    "android_verified_boot_keys": [DIGEST[::-1]],
    "play_expected": True,
    "harmony_bundle_names": [],
    "harmony_app_ids": [],
    "harmony_app_identifiers": [],
    "harmony_signing_digests": [],
    "audiences": [AUDIENCE],
    "minimum_builds": {"android": "42"},
    "unknown_builds": "warn",
    "created_at": MOMENT,
    "updated_at": MOMENT,
}
KEY_RECORD = {
    "key_id": KEY,
    "app": "orders",
    "state": "blocked",
    "enrolled_at": MOMENT,
    "last_seen": MOMENT,
    "expires_at": MOMENT,
    "blocked_at": MOMENT,
    "blocked_until": None,
    "reason": RULE,
    "blocked_by": f"policy 12: {RULE}",
}
ROUTES = [["POST", PATH, "proof-once", "affirming"]]
API = {"audience": AUDIENCE, "routes": ROUTES, "revision": 3, "updated_at": MOMENT, "updated_by": ARN}
VERSION = {
    "version": 3,
    "at": MOMENT,
    "by": ARN,
    "approved_by": ARN,
    "effect": "next-renewal",
    "rollout": 100,
    "restores": None,
    "why": f"refuse {RULE}",
    "appraisal": "",
    "client": "",
}
