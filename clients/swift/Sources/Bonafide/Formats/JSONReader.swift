import Foundation

/// Reads one JSON text strictly: UTF-8, no repeated member at any depth (two readers would each believe another one,
/// RFC 8725 §2.4), no lone surrogate, nothing after the value. Foundation's reader takes repeated members.
package struct JSONReader {
    /// The text is not one strict JSON value.
    package struct NotJSON: Error {}

    private static let deepest = 64

    private let bytes: [UInt8]
    private let dropsLoneSurrogates: Bool
    private var at = 0

    private init(_ data: Data, dropsLoneSurrogates: Bool) {
        bytes = [UInt8](data)
        self.dropsLoneSurrogates = dropsLoneSurrogates
    }

    /// The caller has bounded the size. `droppingLoneSurrogates` is for texts of the app itself, not for documents.
    package static func read(_ data: Data, droppingLoneSurrogates: Bool = false) throws(NotJSON) -> JSON {
        guard String(data: data, encoding: .utf8) != nil else { throw NotJSON() }
        var reader = JSONReader(data, dropsLoneSurrogates: droppingLoneSurrogates)
        let value = try reader.value(depth: 0)
        reader.skipSpace()
        guard reader.at == reader.bytes.count else { throw NotJSON() }
        return value
    }

    private mutating func value(depth: Int) throws(NotJSON) -> JSON {
        guard depth <= Self.deepest else { throw NotJSON() }
        skipSpace()
        switch peek() {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func object(depth: Int) throws(NotJSON) -> JSON {
        at += 1
        var members: [JSON.Member] = []
        var names: Set<[UInt8]> = []
        skipSpace()
        if take("}") { return .object([]) }
        while true {
            skipSpace()
            guard peek() == UInt8(ascii: "\"") else { throw NotJSON() }
            let name = try string()
            guard names.insert(Array(name.utf8)).inserted else { throw NotJSON() }
            skipSpace()
            guard take(":") else { throw NotJSON() }
            members.append(JSON.Member(name, try value(depth: depth + 1)))
            skipSpace()
            if take("}") { return .object(members) }
            guard take(",") else { throw NotJSON() }
        }
    }

    private mutating func array(depth: Int) throws(NotJSON) -> JSON {
        at += 1
        var values: [JSON] = []
        skipSpace()
        if take("]") { return .array([]) }
        while true {
            values.append(try value(depth: depth + 1))
            skipSpace()
            if take("]") { return .array(values) }
            guard take(",") else { throw NotJSON() }
        }
    }

    private mutating func string() throws(NotJSON) -> String {
        at += 1
        var text: [UInt8] = []
        while true {
            guard at < bytes.count, bytes[at] >= 0x20 else { throw NotJSON() }
            let byte = bytes[at]
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): try escape(into: &text)
            default: text.append(byte)
            }
        }
    }

    private mutating func escape(into text: inout [UInt8]) throws(NotJSON) {
        guard at < bytes.count else { throw NotJSON() }
        let byte = bytes[at]
        at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): if let scalar = try scalar() { text += Array(String(Character(scalar)).utf8) }
        default: throw NotJSON()
        }
    }

    /// A `\u` escape, or a pair of them; `nil` for a lone surrogate that is dropped.
    private mutating func scalar() throws(NotJSON) -> Unicode.Scalar? {
        let first = try hexadecimal()
        if let scalar = Unicode.Scalar(first) { return scalar }
        let before = at
        if first < 0xDC00, take("\\"), take("u") {
            let second = try hexadecimal()
            if (0xDC00...0xDFFF).contains(second) {
                return Unicode.Scalar(0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00))
            }
        }
        guard dropsLoneSurrogates else { throw NotJSON() }
        at = before
        return nil
    }

    private mutating func hexadecimal() throws(NotJSON) -> UInt16 {
        guard at + 4 <= bytes.count else { throw NotJSON() }
        var value: UInt16 = 0
        for byte in bytes[at..<at + 4] {
            guard byte < 0x80, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { throw NotJSON() }
            value = value << 4 | UInt16(digit)
        }
        at += 4
        return value
    }

    private mutating func number() throws(NotJSON) -> JSON {
        let start = at
        _ = take("-")
        if !take("0") { guard digits() > 0 else { throw NotJSON() } }
        var isWhole = true
        if take(".") { isWhole = false; guard digits() > 0 else { throw NotJSON() } }
        if take("e") || take("E") {
            isWhole = false
            if !take("+") { _ = take("-") }
            guard digits() > 0 else { throw NotJSON() }
        }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        if isWhole, let value = Int64(text) { return .int(value) }
        guard let value = Double(text), value.isFinite else { throw NotJSON() }
        return .number(value)
    }

    private mutating func digits() -> Int {
        let start = at
        while let byte = peek(), (0x30...0x39).contains(byte) { at += 1 }
        return at - start
    }

    private mutating func word(_ word: String, _ value: JSON) throws(NotJSON) -> JSON {
        let end = at + word.utf8.count
        guard end <= bytes.count, bytes[at..<end].elementsEqual(word.utf8) else { throw NotJSON() }
        at = end
        return value
    }

    private func peek() -> UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { at += 1 }
    }
}
