"""The live threat view: what was decided, what changed, and whose doing it is."""
