"""Case files, run."""
