"""The Apple wing: App Attest attestations, assertions and receipts."""
