"""Two products side by side: what their lines say."""
