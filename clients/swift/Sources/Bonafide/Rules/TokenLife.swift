import Foundation

/// How long a token is used, in seconds from the moment at which its request was sent.
package struct TokenLife: Sendable, Equatable {
    package let seconds: Double
    /// Within these bounds a renewal point is drawn.
    package let renewal: ClosedRange<Double>

    private static let bounds = 30.0...86_400.0
    private static let margin = 5.0

    /// `nil` where the answer is unusable: `expires_in` or `renew_after` is no whole number. A value out of bounds is
    /// cut: a stack may stretch lifetimes when it is in trouble, and no client may assume 300.
    package init?(_ answer: JSON) {
        guard let lifetime = answer["expires_in"]?.whole else { return nil }
        let seconds = min(max(Double(lifetime), Self.bounds.lowerBound), Self.bounds.upperBound)
        self.seconds = seconds
        let latest = seconds - Self.margin
        guard let member = answer["renew_after"] else {
            renewal = 0.7 * seconds...0.8 * seconds
            return
        }
        guard let asked = member.whole else { return nil }
        let from = max(0.7 * seconds, min(max(Double(asked), 1), latest))
        renewal = from...max(from, min(from + 0.1 * seconds, latest))
    }

    /// From here on requests wait for the renewal.
    var usable: Double { seconds - Self.margin }
}
