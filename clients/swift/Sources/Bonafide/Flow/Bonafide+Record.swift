import Foundation

extension Bonafide {
    /// Take up what earlier starts and other processes kept. Nothing of it is believed before it was verified again.
    func load() throws(BonafideError) {
        guard !isLoaded else { return }
        try reload()
        isLoaded = true
    }

    /// Read the record again: another process may have enrolled, or seen a newer policy.
    func reload() throws(BonafideError) {
        let saved: Data?
        do { saved = try device.storage.load() } catch { throw notKept(error) }
        if let saved { record = Record(saved) ?? Record() }
        latestClock = max(latestClock, record.latestClock)
        let climbed = configuration.builtInRoots.along(
            record.rootChain, issuer: configuration.issuer, now: latest(), device.cryptography)
        if climbed.set.version > roots.version { roots = climbed.set }
        if !record.policy.jws.isEmpty, record.policy.newest > policyHeld?.version ?? 0 {
            policyHeld = opened(record.policy.jws, newestSeen: record.policy.newest)
        }
    }

    /// Change the record and keep it before anything is done that relies on it.
    func remember(_ change: (inout Record) -> Void) throws(BonafideError) {
        var newest = record
        let clock = latest()
        do {
            try device.storage.change { saved in
                if let saved { newest = Record(saved) ?? Record() }
                change(&newest)
                newest.latestClock = max(newest.latestClock, clock)
                return newest.encoded
            }
        } catch { throw notKept(error) }
        record = newest
    }

    private func notKept(_ failure: StorageFailure) -> BonafideError {
        let cause = DeviceFailure(failure.isLocked ? .keyLocked : .storageFailed)
        beacon(cause.code)
        return BonafideError(cause)
    }

    func opened(_ jws: String, newestSeen: Int64) -> SignedPolicy? {
        SignedPolicy(
            jws, roots: roots.roots, issuer: configuration.issuer, app: configuration.app, newestSeen: newestSeen,
            now: latest(), device.cryptography)
    }
}
