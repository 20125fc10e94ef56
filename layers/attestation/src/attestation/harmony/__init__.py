"""Evidence of HarmonyOS devices: HUKS key attestation and SysIntegrity tokens."""
