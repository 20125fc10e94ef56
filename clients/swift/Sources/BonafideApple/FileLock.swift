#if canImport(DeviceCheck)
import Bonafide
import Foundation
#if canImport(AppleFoundation)
import AppleFoundation
#endif

/// A file in the app group's container, locked by `flock` while one process of the app uses the attested key, and a
/// second one for the moment in which the record changes.
///
/// A process that is suspended while it holds a lock in a shared container is ended by iOS (0xdead10cc). So an expiring
/// activity keeps it awake for the seconds of a flight; where even that ends, the lock is given back early.
public final class FileLock: ProcessLock, @unchecked Sendable {
    private let flights: URL
    private let changes: URL
    private let guardian = NSLock()
    private var held: Int32 = -1
    private var changing: Int32 = -1
    private var done: DispatchSemaphore?

    /// `nil` where the app has no such group.
    public init?(group: String, name: String) {
        guard let folder = FileManager.default.containerURL(forSecurityApplicationGroupIdentifier: group) else { return nil }
        flights = folder.appendingPathComponent("bonafide-\(name).flight.lock")
        changes = folder.appendingPathComponent("bonafide-\(name).record.lock")
    }

    /// Waits for 15 seconds at most. To go on without the lock may cost a renewal; to wait for ever costs the app.
    public func acquire() async {
        stayAwake()
        for _ in 0..<300 {
            if lockFlights() { return }
            try? await Task.sleep(nanoseconds: 50_000_000)
        }
    }

    public func release() {
        let activity = guardian.withLock { () -> DispatchSemaphore? in
            Self.unlock(&held)
            defer { done = nil }
            return done
        }
        activity?.signal()
    }

    /// For the moment of a change: waits in this thread.
    func block() {
        changing = open(changes.path, O_CREAT | O_RDWR, 0o600)
        if changing >= 0 { _ = flock(changing, LOCK_EX) }
    }

    func unblock() { Self.unlock(&changing) }

    /// Whether the lock is held now. A file that cannot be opened (before the first unlock) locks nobody out.
    private func lockFlights() -> Bool {
        let file = open(flights.path, O_CREAT | O_RDWR, 0o600)
        guard file >= 0 else { return true }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            close(file)
            return false
        }
        guardian.withLock { held = file }
        return true
    }

    private static func unlock(_ file: inout Int32) {
        guard file >= 0 else { return }
        _ = flock(file, LOCK_UN)
        close(file)
        file = -1
    }

    private func stayAwake() {
        #if !os(macOS)
        let ended = DispatchSemaphore(value: 0)
        guardian.withLock { done = ended }
        ProcessInfo.processInfo.performExpiringActivity(withReason: "Renewing the app's attestation") { isExpired in
            if isExpired { self.release() } else { ended.wait() }
        }
        #endif
    }
}

/// For an app without extensions that use Bonafide: the actor alone keeps its flights apart.
public struct SingleProcess: ProcessLock {
    public init() {}
    public func acquire() async {}
    public func release() {}
}
#endif
