"""Detectors over sightings: farms, leaked keyboxes, brokers, clones and replays."""
