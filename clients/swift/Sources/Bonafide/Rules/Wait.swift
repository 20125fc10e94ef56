import Foundation

/// How long to wait after a refusal: what the answer asks, and a time drawn evenly that grows with each refusal in a
/// row, so that a crowd that was refused together does not come back together (docs/api-errors.md).
package enum Wait {
    private static let longest = 3600.0

    /// `Retry-After` in seconds; 0 for a date, a fraction, or anything else than one to six digits.
    package static func asked(_ header: String?) -> Double {
        guard let header, (1...6).contains(header.utf8.count), header.utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return 0 }
        return min(longest, Double(header) ?? 0)
    }

    /// The most seconds of jitter after so many `refusals` in a row (1 …).
    package static func jitter(refusals: Int) -> Double { min(longest, 20 * pow(3, Double(min(max(refusals, 1), 16) - 1))) }

    package static func bounds(retryAfter: String?, refusals: Int) -> ClosedRange<Double> {
        let least = asked(retryAfter)
        return least...least + jitter(refusals: refusals)
    }
}

/// Refusals in a row of one server, and until when it is left alone.
struct Backoff: Sendable {
    private(set) var refusals = 0
    /// Monotonic; the past where nothing is waited for.
    private(set) var until = -Double.infinity
    /// What callers are told who do not wait.
    private(set) var error = BonafideError.unavailable()

    mutating func refused(retryAfter: String?, at now: Double, draw: Double, error: BonafideError = .unavailable()) {
        refusals += 1
        self.error = error
        until = now + Wait.asked(retryAfter) + draw * Wait.jitter(refusals: refusals)
    }
}
