"""The commands that need the laptop's world."""
