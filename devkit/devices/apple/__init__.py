"""Software iPhones."""
