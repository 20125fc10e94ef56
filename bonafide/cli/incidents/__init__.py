"""Commands about what detectors found."""
