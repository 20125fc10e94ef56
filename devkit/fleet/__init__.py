"""A fleet of genuine and hostile devices, and what is expected of each."""
