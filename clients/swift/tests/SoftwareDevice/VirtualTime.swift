import Bonafide
import Foundation

/// Virtual time: moved by `advance` and by the client's own sleeps, which move it at once.
public final class VirtualTime: Timekeeper, @unchecked Sendable {
    private let lock = NSLock()
    private var moment: Double
    private let began: Double
    private let wrongBy: Double
    private let monotonicStart: Double

    public init(at moment: Double, wrongBy: Double, monotonicStart: Double) {
        self.moment = moment
        began = moment
        self.wrongBy = wrongBy
        self.monotonicStart = monotonicStart
    }

    /// T: true Unix seconds.
    public var now: Double { lock.withLock { moment } }
    public var wall: Double { now + wrongBy }
    public var monotonic: Double { now - began + monotonicStart }

    public func advance(_ seconds: Double) { lock.withLock { moment += seconds } }

    public func sleep(until monotonic: Double) async {
        lock.withLock { moment = max(moment, monotonic - monotonicStart + began + 1e-6) }
    }
}

/// Real time, for the live stack.
public struct RealTime: Timekeeper {
    public init() {}
    public var wall: Double { Date().timeIntervalSince1970 }
    public var monotonic: Double { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }
    public func sleep(until monotonic: Double) async {
        let seconds = monotonic - self.monotonic
        if seconds > 0 { try? await Task.sleep(nanoseconds: UInt64(seconds * 1e9)) }
    }
}

/// Draws that follow from a seed; bytes do not.
public final class SeededRandomness: Randomness, @unchecked Sendable {
    private let lock = NSLock()
    private var state: UInt64

    public init(seed: UInt64) { state = seed &* 2_862_933_555_777_941_757 &+ 3_037_000_493 }

    public func bytes(_ count: Int) -> Data {
        var generator = SystemRandomNumberGenerator()
        return Data((0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    /// SplitMix64.
    public func draw() -> Double {
        lock.withLock {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return Double((mixed ^ (mixed >> 31)) >> 11) / 9_007_199_254_740_992
        }
    }
}
