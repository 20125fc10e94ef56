"""Every mutation of a genuine App Attest attestation, each with the one reason it must be refused for."""

from __future__ import annotations

from . import attestation_chain_mutations as chain
from . import attestation_content_mutations as content
from . import attestation_encoding_mutations as encoding

MUTATIONS = (
    *encoding.DECODING,
    *encoding.CERTIFICATES,
    *chain.CHAIN,
    *content.AUTHENTICATOR_DATA,
    *content.NONCE,
    *content.KEY,
    *content.APP,
)
