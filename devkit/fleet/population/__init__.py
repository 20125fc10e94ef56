"""A population of phones that never was, and what hostile ones do in it: sightings and tallies for detectors, by seed.

Pure: no clock, no network. What shares and rates rest on is said where they stand: *seen* in the case files or measured
here, *documented* by a vendor or an ADR, or *assumed*. None is tuned to a detector.
"""
