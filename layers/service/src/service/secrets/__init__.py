"""Runtime secrets: named values that are released, sealed, to app instances that proved themselves."""
