import Foundation

/// ECDSA P-256 signatures: DER, as platforms give them, to R‖S, as JOSE wants them (RFC 7518 §3.4).
package enum ECDSASignature {
    /// `nil` for everything but the one DER spelling of two numbers of 1 to 32 bytes.
    package static func raw(der: Data) -> Data? {
        var rest = [UInt8](der)[...]
        guard rest.popFirst() == 0x30, let length = rest.popFirst(), length < 0x80, rest.count == Int(length),
            let r = integer(&rest), let s = integer(&rest), rest.isEmpty
        else { return nil }
        return r + s
    }

    private static func integer(_ rest: inout ArraySlice<UInt8>) -> Data? {
        guard rest.popFirst() == 0x02, let length = rest.popFirst(), (1...33).contains(length), rest.count >= length
        else { return nil }
        var number = rest.prefix(Int(length))
        rest = rest.dropFirst(Int(length))
        guard let first = number.first, first < 0x80 else { return nil }
        if first == 0 {
            number = number.dropFirst()
            guard let next = number.first, next >= 0x80 else { return nil }
        }
        guard number.count <= 32 else { return nil }
        return Data(repeating: 0, count: 32 - number.count) + number
    }
}
