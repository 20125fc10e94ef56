"""Functions whose answers stream, on a laptop: Lambda's Runtime API, and a REST API in front of it."""
