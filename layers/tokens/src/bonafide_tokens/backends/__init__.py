"""Python backends that no authorizer stands before: one check, and a thin piece for each kind of framework."""
