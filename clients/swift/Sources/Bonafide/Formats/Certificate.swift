import Foundation

/// Finds the SubjectPublicKeyInfo of an X.509 certificate (RFC 5280 §4.1), which pins are hashes of. The platform has
/// verified the certificate before; this only walks over its lengths.
public enum Certificate {
    /// The complete DER of the element; `nil` where the bytes are no certificate.
    public static func publicKeyInfo(of der: Data) -> Data? {
        var outer = [UInt8](der)[...]
        guard var certificate = element(&outer, 0x30), outer.isEmpty, var body = element(&certificate, 0x30) else { return nil }
        if body.first == 0xA0 { guard element(&body, 0xA0) != nil else { return nil } }  // version
        // serialNumber, signature, issuer, validity, subject
        for tag: UInt8 in [0x02, 0x30, 0x30, 0x30, 0x30] { guard element(&body, tag) != nil else { return nil } }
        let start = body.startIndex
        guard element(&body, 0x30) != nil else { return nil }
        return Data([UInt8](der)[start..<body.startIndex])
    }

    /// The content of the element at the front, which is taken away; `nil` for another tag or a length beyond the end.
    private static func element(_ bytes: inout ArraySlice<UInt8>, _ tag: UInt8) -> ArraySlice<UInt8>? {
        guard bytes.popFirst() == tag, let first = bytes.popFirst() else { return nil }
        var length = Int(first)
        if first >= 0x80 {
            let count = Int(first & 0x7F)
            guard (1...3).contains(count), bytes.count >= count else { return nil }
            length = bytes.prefix(count).reduce(0) { $0 << 8 | Int($1) }
            bytes = bytes.dropFirst(count)
        }
        guard bytes.count >= length else { return nil }
        defer { bytes = bytes.dropFirst(length) }
        return bytes.prefix(length)
    }
}
