"""Apple's App Attest receipts: kept, exchanged with Apple when they are due (docs/risk-metric.md)."""
