"""Facts of a sound HarmonyOS phone, with and without a device verdict."""

from __future__ import annotations

from .scene import KeyQuestion, TokenQuestion, chain_draft, device_of

DEVICE = device_of()

KEY = KeyQuestion(chain=chain_draft(DEVICE).chain()).ask()

VERDICT = TokenQuestion(
    token=DEVICE.check_integrity(KeyQuestion(chain=()).client_data_hash), profile=DEVICE.profile
).ask()

SOUND = KEY.with_device_integrity(VERDICT)
