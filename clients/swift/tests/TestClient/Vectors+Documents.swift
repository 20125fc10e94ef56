import Bonafide
import Foundation
import SoftwareDevice

/// Client data, client policies, pins, root sets.
extension Vectors {
    static let clientData: Check = { _, one in
        if one["bytes"] != nil {
            let found = Base64URL.encode(cryptography.sha256(bytes(one["bytes"])))
            return expect(found == one["sha256"]?.text, found)
        }
        guard let members = one["members"], let sent = one["sent"]?.members,
            let key = PublicKey(point: SoftwareKey.random().point, cryptography)
        else { return "the case cannot be read" }
        let facts = AppFacts(
            platform: "ios", build: members["app_build"]?.text ?? "", os: members["os"]?.text ?? "",
            model: members["model"]?.text ?? "")
        let signals = (members["signals"]?.list ?? []).map { signal in
            Signal(signal.text ?? signal["name"]?.text ?? "", detail: signal["detail"]?.text)
        }
        let made = ClientData.members(
            challenge: members["challenge"]?.text ?? "", requestKey: key, sealingKey: nil, app: facts, signals: signals,
            policyVersion: 0)
        guard let read = try? JSONReader.read(made.encoded) else { return "it is no JSON" }
        let wrong = sent.first { !(read[$0.name]?.says($0.value) ?? false) }
        return expect(wrong == nil, "\(wrong?.name ?? "") is another")
    }

    static let clientText: Check = { _, one in
        let utf16 = hex(one["utf16"])
        let units = stride(from: 0, to: utf16.count - 1, by: 2).map { UInt16(utf16[$0]) << 8 | UInt16(utf16[$0 + 1]) }
        // A Swift text has no lone surrogates: where one comes from UTF-16, it is dropped on the way in.
        let text = String(String.UnicodeScalarView(scalars(of: units)))
        let found = one["kind"]?.text == "build" ? ClientData.fitBuild(text) : ClientData.fit(text)
        return expect(sameBytes(found, one["sent"]?.text ?? ""), found)
    }

    private static func scalars(of units: [UInt16]) -> [Unicode.Scalar] {
        var decoder = UTF16()
        var rest = units.makeIterator()
        var scalars: [Unicode.Scalar] = []
        while true {
            switch decoder.decode(&rest) {
            case .scalarValue(let scalar): scalars.append(scalar)
            case .error: continue
            case .emptyInput: return scalars
            }
        }
    }

    static let policy: Check = { file, one in
        guard let roots = file["root_set"].flatMap({ RootSet($0, cryptography) })?.roots else { return "no root set" }
        let (issuer, app) = (file["issuer"]?.text ?? "", file["app"]?.text ?? "")
        let now = one["now"]?.seconds ?? 0
        let newest = one["newest_seen"]?.whole ?? 0
        let open = { (jws: String, seen: Int64) in
            SignedPolicy(jws, roots: roots, issuer: issuer, app: app, newestSeen: seen, now: now, cryptography)
        }
        let held = one["held"]?.text.flatMap { open($0, 0) }
        let taken = SignedPolicy.judge(open(one["jws"]?.text ?? "", newest), held: held).rawValue
        return expect(taken == one["expect"]?.text, taken)
    }

    static let document: Check = { _, one in
        guard let document = one["document"] else { return "the case cannot be read" }
        let rules = PolicyRules(document: document)
        guard let expected = one["enforced"], expected.members != nil else {
            return expect(rules == nil, "it was taken")
        }
        guard let rules else { return "it was refused" }
        let found = describe(rules)
        let wrong = found.members?.first { !(expected[$0.name]?.says($0.value) ?? false) }
        return expect(wrong == nil, "\(wrong?.name ?? ""): \(String(decoding: wrong?.value.encoded ?? Data(), as: UTF8.self))")
    }

    private static func describe(_ rules: PolicyRules) -> JSON {
        let object = { (members: [(String, JSON)]) in JSON.object(members.map { .init($0.0, $0.1) }) }
        let pins = rules.pins.map { set in
            JSON.of(
                ("host", .string(set.host)), ("include_subdomains", .bool(set.includesSubdomains)),
                ("expires_at", .int(Int64(set.expires))), ("spki_sha256", .int(Int64(set.keys.count))))
        }
        return .of(
            ("refresh_seconds", .int(Int64(rules.refreshSeconds))), ("must_be_current", .bool(rules.mustBeCurrent)),
            ("stale_after_seconds", .int(Int64(rules.staleAfter))),
            ("minimum_builds", object(rules.minimumBuilds.map { ($0.key, .string($0.value)) })),
            ("features_off", .array(rules.featuresOff.sorted().map { .string($0) })),
            ("reactions", object(
                rules.reactions.map { ($0.key, .string($0.value.rawValue)) } + rules.off.map { ($0, .null) })),
            ("secrets", object(rules.secrets.map { ($0.key, .int($0.value)) })),
            ("regions", object(rules.regions.map { ($0.key, .string($0.value)) })),
            ("pins", pins.isEmpty ? .array([]) : nil))
    }

    static let build: Check = { _, one in
        let allowed = Builds.allows(one["build"]?.text ?? "", least: one["least"]?.text ?? "")
        return expect(allowed == one["allowed"]?.flag, "\(allowed)")
    }

    static let pins: Check = { _, one in
        let members = one["pins"]?.list ?? []
        let sets = members.compactMap { PinSet($0) }
        guard sets.count == members.count else { return "the pins were refused" }
        let chain = (one["chain"]?.list ?? []).compactMap { $0.text.flatMap { Data(base64Encoded: $0) } }
        let good = PinSet.trust(sets, host: one["host"]?.text ?? "", chain: chain, now: one["now"]?.seconds ?? 0)
        return expect(good == one["good"]?.flag, "\(good)")
    }

    static let rootSet: Check = { file, one in
        guard let builtIn = file["built_in"].flatMap({ RootSet($0, cryptography) }) else { return "no built-in set" }
        let (issuer, now) = (file["issuer"]?.text ?? "", one["now"]?.seconds ?? 0)
        let chain = (one["held_version_chain"]?.list ?? []).compactMap(\.text)
        var set = builtIn.along(chain, issuer: issuer, now: now, cryptography).set
        for jws in (one["offered"]?.list ?? []).compactMap(\.text).prefix(RootSet.mostSteps) {
            guard let next = set.next(jws, issuer: issuer, now: now, cryptography) else { break }
            set = next
        }
        return expect(Int64(set.version) == one["version"]?.whole, "\(set.version)")
    }

    static let builtInSet: Check = { _, one in
        let good = one["built_in"].flatMap { RootSet($0, cryptography) } != nil
        return expect(good == one["good"]?.flag, "\(good)")
    }
}
