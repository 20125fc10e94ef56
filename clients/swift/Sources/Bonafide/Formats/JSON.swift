import Foundation

/// A JSON value (RFC 8259). Members keep their order, so that what is written can be hashed.
///
/// Texts are compared by their bytes, never by Swift's `==`, which takes canonically equivalent texts for the same:
/// U+212A (the Kelvin sign) equals `K` there, and an issuer of another name would be ours.
package enum JSON: Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([Member])

    package struct Member: Sendable {
        package let name: String
        package let value: JSON

        package init(_ name: String, _ value: JSON) {
            self.name = name
            self.value = value
        }
    }

    /// The member of an object; `nil` where it is absent, and for what is no object.
    package subscript(_ name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { sameBytes($0.name, name) }?.value
    }

    package var text: String? { if case .string(let value) = self { value } else { nil } }
    package var whole: Int64? { if case .int(let value) = self { value } else { nil } }
    package var flag: Bool? { if case .bool(let value) = self { value } else { nil } }
    package var list: [JSON]? { if case .array(let value) = self { value } else { nil } }
    package var members: [Member]? { if case .object(let value) = self { value } else { nil } }

    /// An integer or a fraction, as seconds may be given in a record of ours.
    package var seconds: Double? {
        switch self {
        case .int(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    /// An object from pairs, in this order; pairs without a value are left out.
    package static func of(_ pairs: (String, JSON?)...) -> JSON {
        .object(pairs.compactMap { pair in pair.1.map { Member(pair.0, $0) } })
    }

    /// Whether both say the same; the order of members does not count.
    package func says(_ other: JSON) -> Bool {
        switch (self, other) {
        case (.null, .null): return true
        case (.bool(let one), .bool(let two)): return one == two
        case (.int(let one), .int(let two)): return one == two
        case (.number(let one), .number(let two)): return one == two
        case (.string(let one), .string(let two)): return sameBytes(one, two)
        case (.array(let one), .array(let two)):
            return one.count == two.count && zip(one, two).allSatisfy { $0.says($1) }
        case (.object(let one), .object(let two)):
            return one.count == two.count && one.allSatisfy { member in
                other[member.name].map { member.value.says($0) } ?? false
            }
        default: return false
        }
    }

    /// Compact UTF-8.
    package var encoded: Data {
        var output: [UInt8] = []
        write(to: &output)
        return Data(output)
    }

    private func write(to output: inout [UInt8]) {
        switch self {
        case .null: output += Array("null".utf8)
        case .bool(let value): output += Array((value ? "true" : "false").utf8)
        case .int(let value): output += Array(String(value).utf8)
        case .number(let value): output += Array((value.isFinite ? "\(value)" : "null").utf8)
        case .string(let value): JSON.write(value, to: &output)
        case .array(let values):
            output.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                value.write(to: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .object(let members):
            output.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                JSON.write(member.name, to: &output)
                output.append(UInt8(ascii: ":"))
                member.value.write(to: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
    }

    private static func write(_ text: String, to output: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        output.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): output += [UInt8(ascii: "\\"), byte]
            case 0..<0x20: output += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}

/// Whether two texts are the same bytes in UTF-8; see ``JSON``.
package func sameBytes(_ one: String, _ two: String) -> Bool { one.utf8.elementsEqual(two.utf8) }
