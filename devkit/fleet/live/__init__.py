"""The scenarios of the population, played by software devices against a running stack by real requests."""
