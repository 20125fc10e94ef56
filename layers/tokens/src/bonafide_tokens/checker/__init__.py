"""``python -m bonafide_tokens.checker``: a small server that proxies ask whether a request may pass."""
