import Foundation

/// A proof of possession for one request (DPoP, RFC 9449 §4.2), with the body's digest where there is a body.
package struct Proof: Sendable {
    package let header: JSON
    package let claims: JSON

    /// `now` is the device's time, corrected; `jti` must be fresh. `nil` where the URL is none.
    package init?(
        method: String, url: String, token: String, body: Data?, nonce: String?, now: Double, jti: String,
        key: PublicKey, _ cryptography: any Cryptography
    ) {
        guard let target = TargetURL(url) else { return nil }
        header = .of(("typ", .string("dpop+jwt")), ("alg", .string("ES256")), ("jwk", key.jwk))
        claims = .of(
            ("jti", .string(jti)),
            ("htm", .string(method)),
            ("htu", .string(target.htu)),
            ("iat", .int(Int64(now.rounded(.down)))),
            ("ath", .string(Base64URL.encode(cryptography.sha256(Data(token.utf8))))),
            ("nonce", nonce.map { .string($0) }),
            ("content-digest", body.map { .string(Self.contentDigest($0, cryptography)) }))
    }

    /// As RFC 9530 §2 spells it.
    package static func contentDigest(_ body: Data, _ cryptography: any Cryptography) -> String {
        "sha-256=:\(cryptography.sha256(body).base64EncodedString()):"
    }

    /// Whether a header's value may be a nonce (RFC 9449 §8.1): printable, no quotes, and of a sane length.
    static func isNonce(_ text: String) -> Bool {
        (1...1024).contains(text.utf8.count) && text.utf8.allSatisfy { byte in
            byte == 0x21 || (0x23...0x5B).contains(byte) || (0x5D...0x7E).contains(byte)
        }
    }
}
