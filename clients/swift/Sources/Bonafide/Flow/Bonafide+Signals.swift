import Foundation

extension Bonafide {
    /// Report what a detector noticed: at once, once per start, and again with each renewal. The policy's reaction
    /// `block` or `wipe` also stops ``request(_:_:headers:body:feature:deadline:)`` until the app starts again; what
    /// `warn` and `wipe` ask of the app is the app's to do.
    ///
    /// Do not wait for it where a detector runs: `Task { try await bonafide.report(…) }`.
    @discardableResult
    public func report(_ signal: Signal, deadline: Double = 30) async throws(BonafideError) -> SignalReport {
        try load()
        await refreshPolicyIfDue()
        let rules = policyHeld?.rules ?? PolicyRules()
        guard !ClientData.fit(signal.name).isEmpty, !rules.off.contains(signal.name) else {
            return SignalReport(status: 0, advice: [])
        }
        if let report = reports[signal.name] { return report }
        if !signals.contains(where: { sameBytes($0.name, signal.name) }) { signals.append(signal) }
        let reaction = rules.reactions[signal.name] ?? .report
        if reaction == .block || reaction == .wipe { hasStopped = true }
        let body = JSON.of(("signals", .array([signal.json()]))).encoded
        let reply = try await sendProven(
            ProvenCall(
                call: .signals, method: "POST", url: "/v1/signals", headers: ["Content-Type": "application/json"],
                body: body),
            deadline: monotonic + deadline)
        let report = SignalReport(
            status: reply.status, advice: reply.json?["advice"]?.list?.compactMap(\.text) ?? [])
        reports[signal.name] = report
        return report
    }

    /// Say why this device has no evidence, once per cause and start. Never waits, is never repeated, and is no answer
    /// to a refusal: those are counted where they are made (docs/attestation-failures.md).
    func beacon(_ code: DeviceFailure.Code) {
        guard said.insert(code).inserted else { return }
        let isAboutNetwork = code == .verifierUnreachable || code == .timeout
        if isAboutNetwork || waiting(for: home) != nil {
            unsaid.append(code)
        } else {
            send(code)
        }
    }

    /// The verifier answers again: say what could not be said before.
    func sayWhatWaited() {
        let codes = unsaid
        unsaid = []
        codes.forEach(send)
    }

    private func send(_ code: DeviceFailure.Code) {
        let facts = device.facts
        let body = JSON.of(
            ("app", .string(configuration.app)), ("code", .string(code.rawValue)), ("platform", .string(facts.platform)),
            ("app_build", .string(ClientData.fitBuild(facts.build))), ("os", .string(ClientData.fit(facts.os))),
            ("model", .string(ClientData.fit(facts.model)))
        ).encoded
        inBackground { client in
            guard let base = client.url(of: client.home) else { return }
            _ = await client.exchange(
                "POST", base + "/v1/attestation-failures", headers: ["Content-Type": "application/json"], body: body,
                call: nil)
        }
    }
}
