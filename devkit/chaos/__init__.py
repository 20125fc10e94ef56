"""Faults on local stacks while a fleet runs, and the invariants that must hold all the same. See docs/chaos.md."""
