"""Counting decisions in a process: tallies, estimates of unique keys, samples. Pure, and standard library only."""
