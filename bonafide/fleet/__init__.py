"""The demo fleet: genuine and hostile software devices, each with the verdict it must get from a real stack."""
