"""The scenarios of the kit, by what they are about."""
