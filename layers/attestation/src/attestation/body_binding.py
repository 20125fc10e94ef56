"""The body-binding decorator under its former name, for backends that import it from here."""

from bonafide_tokens.signed_body import content_digest, requires_signed_body, unsigned_body

__all__ = ["content_digest", "requires_signed_body", "unsigned_body"]
