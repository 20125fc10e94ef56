import Foundation

/// Bounds of what one install may ask of the verifier, whatever the answers: a fault of ours or of the app's must not
/// become a flood. Sliding windows.
struct Attempts: Sendable {
    private static let perMinute = 10
    private static let perHour = 60
    private static let attestationsPerHour = 3
    private static let attestationsPerDay = 10

    /// Monotonic times of challenges, attestations and renewals.
    private var calls: [Double] = []

    /// Seconds until another call is within bounds; 0 when it is now.
    func wait(at now: Double) -> Double {
        max(Self.wait(calls, now, Self.perMinute, 60), Self.wait(calls, now, Self.perHour, 3600))
    }

    mutating func add(at now: Double) {
        calls = calls.filter { now - $0 < 3600 } + [now]
    }

    /// The same for attestations, of which the record keeps the times by the device's clock. A time in the future (the
    /// clock was set back) counts as now.
    static func attestationWait(_ times: [Double], at now: Double) -> Double {
        let past = times.map { min($0, now) }
        return max(wait(past, now, attestationsPerHour, 3600), wait(past, now, attestationsPerDay, 86_400))
    }

    static func kept(_ times: [Double], at now: Double) -> [Double] {
        Array(times.map { min($0, now) }.filter { now - $0 < 86_400 }.suffix(attestationsPerDay))
    }

    private static func wait(_ times: [Double], _ now: Double, _ most: Int, _ window: Double) -> Double {
        let recent = times.filter { now - $0 < window }.sorted()
        guard recent.count >= most else { return 0 }
        return recent[recent.count - most] + window - now
    }
}
