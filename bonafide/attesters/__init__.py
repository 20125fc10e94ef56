"""Software devices: attesters that mint evidence in the genuine formats under a test root, never a vendor's."""
