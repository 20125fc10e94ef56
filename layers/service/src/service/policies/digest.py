"""What identifies the documents of a policy's version."""

from __future__ import annotations

from hashlib import sha256


def digest_of(appraisal: str, client: str) -> str:
    """What identifies a pair of documents: hexadecimal SHA-256."""
    first, second = (text.encode("utf-8", "surrogatepass") for text in (appraisal, client))
    return sha256(b"%d:%b%b" % (len(first), first, second)).hexdigest()
