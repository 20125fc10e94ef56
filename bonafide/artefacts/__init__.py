"""Artefacts: built apps as files (.apk, .ipa, .hap), read with suspicion for what registration needs of them."""
