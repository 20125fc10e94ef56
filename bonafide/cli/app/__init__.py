"""bonafide app: registrations, builds, Play secrets, not-before."""
