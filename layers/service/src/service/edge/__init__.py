"""The HTTP edge that every function shares: requests in, answers and problems out."""
