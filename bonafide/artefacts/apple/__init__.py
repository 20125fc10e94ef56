"""IPA files and who signed them."""
