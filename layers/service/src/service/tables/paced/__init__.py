"""Publications that are paced, as tables have them: in the revocations table, and with the policies that ask for it."""
