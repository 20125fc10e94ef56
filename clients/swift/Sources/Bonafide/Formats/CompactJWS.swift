import Foundation

/// A compact JWS by ES256 (RFC 7515), with a header of exactly `alg` and `typ`.
package struct CompactJWS: Sendable {
    /// Claims whose signature holds.
    package let claims: JSON

    /// Split, check the header, find the root that signed, and only then read the claims. `nil` for anything else.
    ///
    /// No key, address or certificate is ever taken from the header: it may have two members and no more.
    package init?(_ text: String, typ: String, roots: [PublicKey], longest: Int, _ cryptography: any Cryptography) {
        guard let unverified = Self.split(text, typ: typ, longest: longest) else { return nil }
        guard roots.contains(where: { unverified.isSigned(by: $0, cryptography) }) else { return nil }
        guard let claims = try? JSONReader.read(unverified.payload), claims.members != nil else { return nil }
        self.claims = claims
    }

    /// Whether the text is a JWS of this kind at all, whoever signed it: only then may another root have done so.
    package static func isWellFormed(_ text: String, typ: String, longest: Int) -> Bool {
        split(text, typ: typ, longest: longest) != nil
    }

    private struct Unverified {
        let payload: Data
        let signed: Data
        let signature: Data

        func isSigned(by key: PublicKey, _ cryptography: any Cryptography) -> Bool {
            cryptography.verifies(signature, message: signed, point: key.point)
        }
    }

    private static func split(_ text: String, typ: String, longest: Int) -> Unverified? {
        guard text.utf8.count <= longest else { return nil }
        let segments = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard segments.count == 3, let head = Base64URL.decode(segments[0]), head.count <= 4096,
            let payload = Base64URL.decode(segments[1]), let signature = Base64URL.decode(segments[2]),
            signature.count == 64, let header = try? JSONReader.read(head), header.members?.count == 2,
            let algorithm = header["alg"]?.text, sameBytes(algorithm, "ES256"),
            let kind = header["typ"]?.text, sameBytes(kind, typ)
        else { return nil }
        return Unverified(
            payload: payload, signed: Data("\(segments[0]).\(segments[1])".utf8), signature: signature)
    }

    /// The claims of a JWS of any header that this key signed: what a test asks of a proof.
    package static func claims(of text: String, by key: PublicKey, _ cryptography: any Cryptography) -> JSON? {
        let segments = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard segments.count == 3, let payload = Base64URL.decode(segments[1]),
            let signature = Base64URL.decode(segments[2]),
            cryptography.verifies(signature, message: Data("\(segments[0]).\(segments[1])".utf8), point: key.point)
        else { return nil }
        return try? JSONReader.read(payload)
    }

    /// Sign, as an app does. `signature` gets the text that is signed and gives R‖S.
    package static func make(
        header: JSON, claims: JSON, signature: (Data) throws(DeviceFailure) -> Data
    ) throws(DeviceFailure) -> String {
        let text = "\(Base64URL.encode(header.encoded)).\(Base64URL.encode(claims.encoded))"
        return "\(text).\(Base64URL.encode(try signature(Data(text.utf8))))"
    }
}
