"""What every client decides, and nothing else: no network, no clock, no storage. docs/wire-contract.md in code."""
