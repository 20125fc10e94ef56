"""HAP files and who signed them."""
