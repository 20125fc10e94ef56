"""Test passes: what stands in for evidence on a test stage. A production stack imports nothing of this."""
