"""Publications that refuse older tokens over a grace: loaded where a trust bundle has one, and nowhere else."""
