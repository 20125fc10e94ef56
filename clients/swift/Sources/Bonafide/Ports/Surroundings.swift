import Foundation

/// Two clocks: one that people set, and one that only runs.
public protocol Timekeeper: Sendable {
    /// Unix seconds by the device's clock, right or wrong.
    var wall: Double { get }
    /// Seconds since some fixed moment, counted while the device sleeps, and never set.
    var monotonic: Double { get }
    /// Return when ``monotonic`` has reached this, at once where it has; earlier only when the task is cancelled.
    func sleep(until moment: Double) async
}

/// Draws: ``bytes(_:)`` from the system's cryptographic generator.
public protocol Randomness: Sendable {
    func bytes(_ count: Int) -> Data
    /// Evenly from 0 to 1, for waits.
    func draw() -> Double
}

/// Where the one record is kept: on this device only, in no backup.
public protocol Storage: Sendable {
    /// `nil` where nothing was ever kept.
    func load() throws(StorageFailure) -> Data?
    /// Read, change and write as one step, for all processes of the app.
    func change(_ change: (Data?) -> Data) throws(StorageFailure)
}

/// The platform did not keep the record, or did not give it.
public struct StorageFailure: Error, Sendable {
    /// Whether the device was not unlocked since it started: later it may work.
    public let isLocked: Bool

    public init(isLocked: Bool = false) { self.isLocked = isLocked }
}

/// Keeps the processes of one app (the app and its extensions) apart while one of them uses the attested key.
public protocol ProcessLock: Sendable {
    func acquire() async
    func release()
}
