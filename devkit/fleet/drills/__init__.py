"""Outbreaks and revocations, measured."""
