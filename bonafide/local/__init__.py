"""The embedded stack: the project's own template, run on 127.0.0.1 without Docker and without AWS."""
