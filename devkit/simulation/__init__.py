"""A hundred million phones on a laptop: what a stack answers them, and which limit breaks first."""
