"""Detectors: small pure modules that look at many decisions, keep state in slots, and make findings. Nothing here has a
clock, a network, an environment or a log."""
