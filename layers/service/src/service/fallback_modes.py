"""What an operator decides for the time that something is missing, a vendor or newer code: parameters of the stack."""

from __future__ import annotations

from enum import StrEnum, unique


@unique
class OnStale(StrEnum):
    """What a stack does with a status list older than its limit: refuse new Android keys, or accept by the old list."""

    REFUSE = "refuse"
    ACCEPT = "accept"


@unique
class OnPlayUnavailable(StrEnum):
    """What a stack does while Google cannot be asked: refuse with 503, or go by key attestation alone."""

    REFUSE = "refuse"
    SKIP = "skip"


@unique
class PolicyApproval(StrEnum):
    """Whether a published policy takes effect by itself, or when a second person has approved it."""

    OFF = "off"
    TWO_PERSON = "two-person"


@unique
class PassMode(StrEnum):
    """Whether a stage takes test passes instead of evidence. Production takes none, and settings refuse to say so."""

    OFF = "off"
    ON = "on"


@unique
class KeyRows(StrEnum):
    """In which form claims are written into the rows of keys; both are read. ``TEXT`` is what code before packed rows
    reads: for the update that brings them, as long as it may be rolled back."""

    PACKED = "packed"
    TEXT = "text"


@unique
class WebhookAddresses(StrEnum):
    """Where webhooks may lead: to public addresses, or to those of private networks as well (functions in a VPC).
    ``LOOPBACK`` is a laptop's, plain http to 127.0.0.1; no template has it."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
