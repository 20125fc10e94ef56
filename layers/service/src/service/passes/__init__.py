"""Test passes on a test stage: what is kept of them, who is trusted to have one, and keys that enrol with one."""
