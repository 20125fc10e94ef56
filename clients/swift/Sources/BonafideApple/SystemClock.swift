#if canImport(DeviceCheck)
import Bonafide
import Foundation
#if canImport(AppleFoundation)
import AppleFoundation
#endif

/// The device's clock, and one that counts sleep and is never set: `CLOCK_MONOTONIC_RAW`. (`CLOCK_UPTIME_RAW` and
/// `DispatchTime` stand still while the device sleeps: a token would seem younger than it is.)
public struct SystemClock: Timekeeper {
    public init() {}

    public var wall: Double { Date().timeIntervalSince1970 }
    public var monotonic: Double { Double(clock_gettime_nsec_np(CLOCK_MONOTONIC_RAW)) / 1e9 }

    public func sleep(until moment: Double) async {
        while !Task.isCancelled, moment - monotonic > 0.001 {
            try? await Task.sleep(nanoseconds: UInt64(min(moment - monotonic, 60) * 1e9))
        }
    }
}

/// The system's generator.
public struct SystemRandomness: Randomness {
    public init() {}

    public func bytes(_ count: Int) -> Data {
        var generator = SystemRandomNumberGenerator()
        return Data((0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    public func draw() -> Double { Double.random(in: 0..<1) }
}
#endif
