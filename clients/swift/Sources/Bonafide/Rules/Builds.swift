import Foundation

/// Build numbers: dotted numbers, compared part by part. `1.10` is newer than `1.9`.
package enum Builds {
    /// Whether `build` may go on where `least` is the oldest that may. A build that is no number must not slip past.
    package static func allows(_ build: String, least: String) -> Bool {
        guard let least = parts(least), let build = parts(build) else { return false }
        for index in 0..<max(least.count, build.count) {
            let one = index < build.count ? build[index] : ""
            let two = index < least.count ? least[index] : ""
            if one.count != two.count { return one.count > two.count }
            if one != two { return one > two }
        }
        return true
    }

    static func isBuild(_ text: String) -> Bool { parts(text) != nil }

    /// Digits without leading zeros, so that the longer text is the larger number: the first may have 19 digits.
    private static func parts(_ text: String) -> [String]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...4).contains(parts.count) else { return nil }
        for (index, part) in parts.enumerated() {
            guard (1...(index == 0 ? 19 : 9)).contains(part.utf8.count),
                part.utf8.allSatisfy({ (0x30...0x39).contains($0) })
            else { return nil }
        }
        return parts.map { String($0.drop { $0 == "0" }) }
    }
}
