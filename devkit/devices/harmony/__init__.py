"""Software HarmonyOS devices."""
