"""bonafide policy: lint, publish, promote, roll back, replay, show."""
