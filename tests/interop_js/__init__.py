"""Other implementations of DPoP and JOSE, against our gate and our tokens."""
