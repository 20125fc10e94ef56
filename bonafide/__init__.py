"""What runs on a laptop: the command, the local stack, software devices, conformance."""
