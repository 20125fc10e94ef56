import Foundation

extension Bonafide {
    static let rootsWeek = 7 * 86_400.0
    static let rootsPause = 3600.0

    /// Throws `stopped` when the client policy forbids to go on, at all or with `feature`.
    func requireWork(feature: String?) async throws(BonafideError) {
        await refreshPolicyIfDue()
        if let stopped = stopped(feature: feature) { throw stopped }
    }

    func stopped(feature: String?) -> BonafideError? {
        if hasStopped { return BonafideError(.stopped, .device, .restartApp) }
        guard let rules = policyHeld?.rules else { return nil }
        if rules.mustBeCurrent, latest() - record.policy.confirmedAt > rules.staleAfter {
            return BonafideError(.stopped, .network, .connect)
        }
        if !rules.allows(build: device.facts.build, platform: device.facts.platform) {
            return BonafideError(.stopped, .app, .updateApp)
        }
        if let feature, rules.featuresOff.contains(feature) { return BonafideError(.stopped, .service, .tryLater) }
        return nil
    }

    /// Ask where it is due: at the first use, after `refresh_seconds`, or when an answer named a newer version.
    func refreshPolicyIfDue() async {
        let held = policyHeld
        let age = held == nil ? monotonic - policyAskedAt : latest() - record.policy.confirmedAt
        let isDue = isPolicyOwed || age >= (held?.rules.refreshSeconds ?? 3600)
            || heardPolicyVersion > held?.version ?? 0
        guard isDue, monotonic >= policyBackoff.until, waiting(for: home) == nil else { return }
        await refreshPolicy()
    }

    /// Ask now; all callers wait for one fetch.
    func refreshPolicy() async {
        let task = policyFlight ?? Task {
            await self.fetchPolicy()
            self.policyFlight = nil
        }
        policyFlight = task
        await task.value
    }

    private func fetchPolicy() async {
        guard let install = try? installName(), let base = url(of: home) else { return }
        policyAskedAt = monotonic
        // As it was before the request: an answer is judged by what was asked.
        let asked = policyHeld == nil ? "" : record.policy.etag
        let headers = asked.isEmpty ? [:] : ["If-None-Match": asked]
        let path = "/v1/client-policies/\(configuration.app)?install=\(install)"
        let exchange = await exchange("GET", base + path, headers: headers, body: nil, call: .policy)
        await climbRootsIfDue(base)
        isPolicyOwed = await !takes(exchange.reply, asked: asked, base)
        if !isPolicyOwed {
            policyBackoff = Backoff()
            // What was served is what is active for this install, whatever another answer said.
            heardPolicyVersion = policyHeld?.version ?? 0
        } else {
            let header = exchange.reply?.headers["retry-after"]
            policyBackoff.refused(retryAfter: header, at: monotonic, draw: device.random.draw())
        }
    }

    /// Whether the answer was one to believe. On any refusal what is held stays.
    private func takes(_ reply: Reply?, asked: String, _ base: String) async -> Bool {
        guard let reply else { return false }
        switch reply.status {
        case 304 where !asked.isEmpty && policyHeld != nil:
            return (try? remember { $0.policy.confirmedAt = self.latestClock }) != nil
        case 404 where policyHeld == nil: return true
        case 200:
            let text = String(decoding: reply.body, as: UTF8.self)
            let etag = reply.headers["etag"].flatMap { Self.isETag($0) ? $0 : nil } ?? ""
            if take(text, etag: etag) { return true }
            guard await climbedRoots(for: text, base) else { return false }
            return take(text, etag: etag)
        default: return false
        }
    }

    private func take(_ jws: String, etag: String) -> Bool {
        let newestSeen = max(record.policy.newest, policyHeld?.version ?? 0)
        guard let policy = opened(jws, newestSeen: newestSeen),
            SignedPolicy.judge(policy, held: policyHeld) != .refused
        else { return false }
        let moment = latest()
        let isKept: Void? = try? remember {
            guard policy.version >= $0.policy.newest else { return }
            $0.policy = Record.Policy(jws: jws, etag: etag, newest: policy.version, confirmedAt: moment)
        }
        policyHeld = policy
        return isKept != nil
    }

    /// The name under which this install asks: its key, or before it has one something that stays the same.
    private func installName() throws -> String {
        if let key = record.key { return key.id }
        return try publicKey(of: try requestKey()).thumbprint(device.cryptography)
    }

    private static func isETag(_ text: String) -> Bool {
        let tag = text.hasPrefix("W/") ? text.dropFirst(2) : text[...]
        return (2...130).contains(tag.utf8.count) && tag.hasPrefix("\"") && tag.hasSuffix("\"")
            && tag.utf8.dropFirst().dropLast().allSatisfy { $0 == 0x21 || (0x23...0x7E).contains($0) }
    }
}
