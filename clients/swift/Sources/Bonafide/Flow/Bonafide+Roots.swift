import Foundation

extension Bonafide {
    /// Once a week the app asks whether there is a newer root set, so that it does not fall behind unnoticed.
    func climbRootsIfDue(_ base: String) async {
        let moment = latest()
        if record.rootsDueAt == 0 {
            try? remember { $0.rootsDueAt = moment + Self.rootsWeek }
        } else if moment >= record.rootsDueAt {
            try? remember { $0.rootsDueAt = moment + Self.rootsWeek }
            await climbRoots(base)
        }
    }

    /// A document that no present root verifies may be signed by a root of a newer set: ask, once an hour at most.
    func climbedRoots(for jws: String, _ base: String) async -> Bool {
        guard CompactJWS.isWellFormed(jws, typ: SignedPolicy.typ, longest: SignedPolicy.longest),
            CompactJWS(
                jws, typ: SignedPolicy.typ, roots: roots.roots, longest: SignedPolicy.longest, device.cryptography
            ) == nil
        else { return false }
        let moment = latest()
        guard moment - record.rootsAskedAt >= Self.rootsPause else { return false }
        let before = roots.version
        try? remember {
            $0.rootsAskedAt = moment
            $0.rootsDueAt = moment + Self.rootsWeek
        }
        await climbRoots(base)
        return roots.version > before
    }

    /// Version after version, until there is none or one must not be believed.
    private func climbRoots(_ base: String) async {
        for _ in 0..<RootSet.mostSteps {
            let path = "/v1/root-sets/\(roots.version + 1)"
            let exchange = await exchange("GET", base + path, headers: [:], body: nil, call: .policy)
            guard let reply = exchange.reply, reply.status == 200 else { return }
            let jws = String(decoding: reply.body, as: UTF8.self)
            guard let next = roots.next(jws, issuer: configuration.issuer, now: latest(), device.cryptography),
                (try? remember({ $0.rootChain.append(jws) })) != nil
            else { return }
            roots = next
        }
    }
}
