import Foundation

/// One install of an app at its Bonafide stack: enrols, renews, signs requests, keeps the client policy.
///
/// Make one for each process and keep it. All calls may be made from anywhere and at the same time: there is one
/// enrolment or renewal at a time, and all callers wait for it. A request is never sent without its token and proof
/// because a key failed. Nothing is logged.
public actor Bonafide {
    let configuration: Configuration
    let device: Device

    var record = Record()
    var isLoaded = false

    // The token, in memory only, and what led to it.
    var session: Session?
    var serial = 0
    var nextChallenge: Challenge?
    /// How long a challenge is used, as the newest answer of its route told.
    var challengeLife = Bonafide.longestChallengeLife
    var pendingRenewal: PendingRenewal?
    var flight: Task<Result<Void, Stop>, Never>?
    var refusal: (until: Double, error: BonafideError)?
    var attempts = Attempts()

    // The servers, by region or origin.
    var backoffs: [String: Backoff] = [:]
    var unreachable: [String: Unreachable] = [:]
    var notBefore: [String: Double] = [:]
    var nonces: [String: String] = [:]
    var clockOffset = 0.0
    var isClockWrong = false
    /// The verifier's time when the monotonic clock was 0.
    var serverEpoch = 0.0
    var latestClock = 0.0

    // The client policy.
    var roots: RootSet
    var policyHeld: SignedPolicy?
    var policyFlight: Task<Void, Never>?
    var policyBackoff = Backoff()
    /// Whether there is none to go by since the start, or the newest try failed.
    var isPolicyOwed = true
    var policyAskedAt = -Double.infinity
    var heardPolicyVersion: Int64 = 0

    // What the app noticed, and what was said of it.
    var signals: [Signal] = []
    var reports: [String: SignalReport] = [:]
    var hasStopped = false
    var said: Set<DeviceFailure.Code> = []
    var unsaid: [DeviceFailure.Code] = []
    var openedSecrets: [String: Int64] = [:]

    var background: [Int: Task<Void, Never>] = [:]
    private var backgroundCount = 0

    /// Nothing is asked or stored before the first call.
    public init(_ configuration: Configuration, on device: Device) {
        self.configuration = configuration
        self.device = device
        roots = configuration.builtInRoots
    }

    var monotonic: Double { device.clock.monotonic }

    /// The device's time, corrected by the verifier's.
    var now: Double { device.clock.wall + clockOffset }

    /// The latest time that the clock ever showed.
    func latest() -> Double {
        latestClock = max(latestClock, now)
        return latestClock
    }

    /// Work that no caller waits for.
    func inBackground(_ work: @escaping @Sendable (isolated Bonafide) async -> Void) {
        let number = backgroundCount
        backgroundCount += 1
        background[number] = Task {
            await work(self)
            self.background[number] = nil
        }
    }

    /// Returns when nothing is under way: for tests.
    package func settled() async {
        while true {
            if let flight {
                _ = await flight.value
            } else if let policyFlight {
                await policyFlight.value
            } else if let task = background.first?.value {
                await task.value
            } else {
                return
            }
        }
    }
}

/// Why a step of the flow ended: what is shown, what the answer asked for, and when it makes sense to go on.
struct Stop: Error {
    let error: BonafideError
    var does: Reaction.Does = .none
    /// Monotonic.
    var resume: Double?
    /// Why there was no answer.
    var failure: TransportFailure?
}

/// A token and how long it is used; times are monotonic.
struct Session: Sendable {
    let token: String
    /// Counts tokens: a caller who was refused with one of them asks for a later one.
    let serial: Int
    let renewAt: Double
    let usableUntil: Double
}

/// A challenge that was not used yet.
struct Challenge: Sendable {
    let value: String
    /// Monotonic; from then on it is too old to be used.
    let until: Double
    /// Where it was issued: another region may not take it.
    let region: String
}

/// A renewal that was sent and not answered: sent again as it is while its challenge lives (`until`, monotonic).
struct PendingRenewal: Sendable {
    let body: Data
    let until: Double
}

/// Since when and how often a region gave no answer, or a 5xx.
struct Unreachable: Sendable {
    let since: Double
    var attempts = 0
}
