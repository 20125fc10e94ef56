"""The AWS side of Bonafide: HTTP edge, settings, telemetry and one adapter per table."""
