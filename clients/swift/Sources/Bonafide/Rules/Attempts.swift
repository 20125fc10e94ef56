import Foundation

/// Bounds of what one install may ask of the verifier, whatever the answers: a fault of ours or of the app's must not
/// become a flood. Sliding windows.
struct Attempts: Sendable {
    private static let perMinute = 10
    private static let perHour = 60
    /// A renewal whose challenge had ended is three calls, and renewals come from 70 % of each life on.
    private static let callsPerToken = 5.0
    private static let enrolmentsPerHour = 3
    private static let enrolmentsPerDay = 10

    /// Monotonic times of challenges, attestations and renewals.
    private var calls: [Double] = []

    /// How long the newest token lives, in seconds: where tokens are short, an install in steady use needs more calls.
    var tokenLife = 300.0

    /// Seconds until another call is within bounds; 0 when it is now.
    func wait(at now: Double) -> Double {
        let perHour = max(Self.perHour, Int((Self.callsPerToken * 3600 / tokenLife).rounded(.up)))
        return max(Self.wait(calls, now, Self.perMinute, 60), Self.wait(calls, now, perHour, 3600))
    }

    mutating func add(at now: Double) {
        calls = calls.filter { now - $0 < 3600 } + [now]
    }

    /// The same for enrolments, of which the record keeps the times by the device's clock.
    static func enrolmentWait(_ times: [Double], at now: Double) -> Double {
        max(wait(times, now, enrolmentsPerHour, 3600), wait(times, now, enrolmentsPerDay, 86_400))
    }

    static func kept(_ times: [Double], at now: Double) -> [Double] {
        Array(times.filter { abs(now - $0) < 86_400 }.sorted().suffix(enrolmentsPerDay))
    }

    /// A time ahead of now by less than a window counts, for the clock may have been set back a little; one that is
    /// further ahead would lock the install out until then, and is forgotten.
    private static func wait(_ times: [Double], _ now: Double, _ most: Int, _ window: Double) -> Double {
        let recent = times.filter { abs(now - $0) < window }.sorted()
        guard recent.count >= most else { return 0 }
        return recent[recent.count - most] + window - now
    }
}
