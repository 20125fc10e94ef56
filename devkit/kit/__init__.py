"""The kit for clients: a mock verifier and guarded API that play a script per scenario and judge what a client does."""
