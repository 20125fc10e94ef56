"""Keys, and what is signed with them: tokens, trust bundles, rotation."""
