"""What commands show of regions and of root keys."""

from __future__ import annotations

from typing import Any, Final

from bonafide.cli.keys.root_change import Roots
from bonafide.regions.holding import Holding

MOMENT: Final = 1_800_000_000
REGIONS: Final[dict[str, Any]] = {
    "epoch": 3,
    "here": "eu-central-1",
    "administration": "eu-central-1",
    "regions": [
        {
            "region": "eu-central-1",
            "state": "active",
            "adopted_by": "",
            "since": 1,
            "at": MOMENT,
            "serves": ["eu-central-1"],
            "url": "https://verifier.example.com",
        }
    ],
}
HOLDING: Final = Holding(region="ap-southeast-2", policy_version=7, bundle_version=41, seconds=3.5)
ROOT: Final = "B" + 86 * "k"
"""A root key as commands write it: base64url of a point."""
ROOTS: Final = Roots(
    {
        "signing": ROOT,
        "accepted": [ROOT],
        "newest": {"version": 1, "roots": [ROOT], "at": 0, "by": ""},
        "client_policies_signed_by": {ROOT: 2},
    }
)
