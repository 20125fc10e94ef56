"""HTTP message signatures (RFC 9421) by a token's request key: loaded where a route asks for them, and nowhere else."""
