import Foundation

/// A P-256 public key.
package struct PublicKey: Sendable, Hashable {
    /// The uncompressed point, 65 bytes (SEC 1 §2.3.3).
    package let point: Data

    /// `nil` for what is no uncompressed point of the curve.
    package init?(point: Data, _ cryptography: any Cryptography) {
        guard point.count == 65, point.first == 4, cryptography.isPoint(point) else { return nil }
        self.point = Data(point)
    }

    /// A public EC P-256 JWK (RFC 7518 §6.2). `nil` for anything else. A JWK with a private member is refused: a key
    /// that was published is nobody's alone.
    package init?(jwk: JSON, _ cryptography: any Cryptography) {
        guard jwk["kty"]?.text == "EC", jwk["crv"]?.text == "P-256", Self.privateMembers.allSatisfy({ jwk[$0] == nil }),
            let x = jwk["x"]?.text.flatMap(Base64URL.decode), let y = jwk["y"]?.text.flatMap(Base64URL.decode),
            x.count == 32, y.count == 32
        else { return nil }
        self.init(point: [4] + x + y, cryptography)
    }

    private static let privateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]

    private var x: String { Base64URL.encode(point[1..<33]) }
    private var y: String { Base64URL.encode(point[33...]) }

    /// The required members only (RFC 7638 §3.2).
    package var jwk: JSON {
        .of(("kty", .string("EC")), ("crv", .string("P-256")), ("x", .string(x)), ("y", .string(y)))
    }

    /// The JWK's SHA-256 thumbprint (RFC 7638).
    package func thumbprint(_ cryptography: any Cryptography) -> String {
        let text = "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"\(x)\",\"y\":\"\(y)\"}"
        return Base64URL.encode(cryptography.sha256(Data(text.utf8)))
    }

    /// The name of this key in Bonafide, as Apple makes it: SHA-256 of the point.
    package func keyID(_ cryptography: any Cryptography) -> String { Base64URL.encode(cryptography.sha256(point)) }
}
