"""What each route of a guarded API asks for, and what its requests bring."""
