"""What a relying party needs: tokens, proofs, trust bundles and routes. Standard library and cryptography only."""
