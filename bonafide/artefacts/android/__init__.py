"""APK files and who signed them."""
