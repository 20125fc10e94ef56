"""Software devices that mint evidence under test roots."""
