"""Software Androids."""
