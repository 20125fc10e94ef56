"""The stack that the kit plays: verifier, guarded API, and what they are served by."""
