import Foundation

/// An http(s) address, taken apart without Foundation's `URL`, whose normalisation differs between systems.
package struct TargetURL: Sendable {
    package let scheme: String
    package let host: String
    package let port: String?
    private let path: String

    /// `nil` for another scheme, a user name, no host, or characters that no address has.
    package init?(_ text: String) {
        guard let colon = text.range(of: "://") else { return nil }
        scheme = text[..<colon.lowerBound].lowercased()
        guard scheme == "https" || scheme == "http" else { return nil }
        var rest = text[colon.upperBound...].split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)[0]
        if let mark = rest.firstIndex(of: "?") { rest = rest[..<mark] }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let authority = rest[..<slash].lowercased()
        path = slash == rest.endIndex ? "/" : String(rest[slash...])
        let isPort = { (digits: Substring) in digits.utf8.count <= 5 && digits.utf8.allSatisfy { (0x30...0x39).contains($0) } }
        let portColon = authority.hasSuffix("]") ? nil : authority.lastIndex(of: ":")
        if let portColon {
            let digits = authority[authority.index(after: portColon)...]
            guard isPort(digits) else { return nil }
            let number = String(digits.drop { $0 == "0" })
            host = String(authority[..<portColon])
            port = number.isEmpty || number == (scheme == "https" ? "443" : "80") ? nil : number
        } else {
            host = authority
            port = nil
        }
        guard Self.isHost(host) else { return nil }
    }

    private static func isHost(_ host: String) -> Bool {
        if host.hasPrefix("["), host.hasSuffix("]") {
            return host.utf8.dropFirst().dropLast().allSatisfy { "0123456789abcdef:.".utf8.contains($0) }
        }
        return !host.isEmpty && host.utf8.allSatisfy { "abcdefghijklmnopqrstuvwxyz0123456789-._~".utf8.contains($0) }
    }

    /// Scheme, host and port: what nonces and permission to send tokens belong to.
    package var origin: String { "\(scheme)://\(host)\(port.map { ":" + $0 } ?? "")" }

    /// Whether a verifier may be addressed so: https, no user, query or fragment, no slash at the end.
    static func isVerifier(_ text: String) -> Bool {
        text.hasPrefix("https://") && !text.hasSuffix("/") && TargetURL(text) != nil
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && !"?#@\\".utf8.contains($0) }
    }

    /// A proof's `htu`: without query and fragment, normalised as RFC 3986 §6.2.2 and §6.2.3 say.
    package var htu: String { origin + Self.withoutDots(Self.normalEscapes(path)) }

    private static func normalEscapes(_ path: String) -> String {
        let bytes = Array(path.utf8)
        var output = ""
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "%"), index + 2 < bytes.count,
                let escaped = UInt8(String(decoding: bytes[index + 1...index + 2], as: UTF8.self), radix: 16),
                bytes[index + 1] != UInt8(ascii: "+"), bytes[index + 1] != UInt8(ascii: "-")
            {
                output += isUnreserved(escaped) ? String(UnicodeScalar(escaped)) : escape(escaped)
                index += 3
            } else {
                output += isUnreserved(byte) || "!$&'()*+,;=:@/".utf8.contains(byte)
                    ? String(UnicodeScalar(byte)) : escape(byte)
                index += 1
            }
        }
        return output
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "-._~".utf8.contains(byte)
        }
    }

    private static func escape(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return "%" + (digits.utf8.count == 1 ? "0" + digits : digits)
    }

    /// RFC 3986 §5.2.4 for an absolute path.
    private static func withoutDots(_ path: String) -> String {
        let segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        var kept: [Substring] = []
        for segment in segments {
            if segment == ".." { _ = kept.popLast() } else if segment != "." { kept.append(segment) }
        }
        if segments.last == "." || segments.last == ".." { kept.append("") }
        return "/" + kept.joined(separator: "/")
    }
}
