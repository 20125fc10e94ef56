"""The document by which policies see incidents: written by detectors, read by verifiers."""
