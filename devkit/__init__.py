"""The laptop's world: the local stack, software devices, and a fleet of them."""
