"""Proves what an appraisal policy does for all facts that the schema allows, by an SMT solver (z3)."""
