"""An incident as the Admin API shows it, and where it was told, full of identifiers."""

from __future__ import annotations

from typing import Any, Final

DIGEST: Final = "5ef4c0d0" * 8
ARN: Final = (
    "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_PolicyPublisher_0a1b2c3d4e5f6071/ann.example@example.org"
)
MOMENT: Final = 1_790_000_000
INCIDENT: Final[dict[str, Any]] = {
    "id": f"key-farm-{DIGEST[:20]}",
    "app": "orders",
    "state": "closed",
    "opened_at": MOMENT,
    "ended_at": MOMENT,
    "closed": {
        "by": ARN,
        "reason": "our own test",
        "at": MOMENT,
    },
    "detector": "key-farm",
    "subject": "rkp/x",
    "since": MOMENT,
    "last": MOMENT,
    "title": "One device serves 41 installs.",
    "counts": {"keys": 41},
    "keys": ["kQ" * 21 + "_"],
    "named": {"build": DIGEST},
    "confidence": 0.9,
    "because": ["41 keys behind one certificate."],
    "scope": "key",
    "remedy": {
        "kind": "rule",
        "text": "Lower their trust.",
        "rule": "forbid (principal, action, resource);",
        "command": "bonafide policy replay",
    },
    "quiet_after": 3600.0,
    "own_signer_share": 0.25,
}

WEBHOOKS: Final[dict[str, Any]] = {
    "/admin/webhooks": {
        "webhooks": [
            {
                "name": "pager",
                "url": "https://hooks.example.org/",
                "apps": ["orders"],
                "state": "disabled",
                "because": "it answered 410",
                "by": ARN,
                "at": MOMENT,
            }
        ]
    },
    "/admin/webhooks/pager/deliveries": {
        "deliveries": [
            {
                "at": MOMENT,
                "event": f"msg_{DIGEST[:20]}",
                "type": "incident.opened",
                "state": "delivered",
                "attempts": 2,
                "outcome": "200",
            }
        ],
        "next": None,
    },
}
