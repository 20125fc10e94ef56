"""The console: a page on this machine that shows one stack and changes it, with the operator's own credentials."""
