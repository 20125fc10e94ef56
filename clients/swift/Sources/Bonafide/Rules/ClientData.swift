import Foundation

/// Something that the app noticed about itself or its device.
public struct Signal: Sendable, Equatable {
    /// A detector's name: `hooking`, `jailbreak`, `debugger` … (docs/client-policy.md).
    public let name: String
    public let detail: String?

    public init(_ name: String, detail: String? = nil) {
        self.name = name
        self.detail = detail
    }

    /// An object, or the name alone where there is no detail.
    func json(detailed: Bool = true) -> JSON {
        let name = JSON.string(ClientData.fit(name))
        guard detailed, let detail else { return name }
        return .of(("name", name), ("detail", .string(ClientData.fit(detail))))
    }
}

/// The JSON that evidence binds by its SHA-256: what is sent is exactly what was hashed.
package enum ClientData {
    static let longest = 16 * 1024
    private static let longestText = 256
    private static let longestBuild = 64
    private static let mostSignals = 64

    /// Without controls, and at most 256 code points: a stack refuses the whole client data for less.
    package static func fit(_ text: String) -> String {
        let fitting = text.unicodeScalars.filter { !($0.value < 0x20 || (0x7F...0x9F).contains($0.value)) }
        return String(String.UnicodeScalarView(fitting.prefix(longestText)))
    }

    /// A build: printable ASCII, at most 64 characters.
    package static func fitBuild(_ text: String) -> String {
        let fitting = text.unicodeScalars.filter { (0x20...0x7E).contains($0.value) }
        return String(String.UnicodeScalarView(fitting.prefix(longestBuild)))
    }

    /// What is sent: where all would be over 16 KiB, no signal has a detail.
    package static func members(
        challenge: String, requestKey: PublicKey, sealingKey: PublicKey?, app: AppFacts, signals: [Signal],
        policyVersion: Int64
    ) -> JSON {
        let sent = { (detailed: Bool) in
            members(
                challenge: challenge, requestKey: requestKey, sealingKey: sealingKey, app: app,
                signals: signals.filter { !fit($0.name).isEmpty }.prefix(mostSignals).map { $0.json(detailed: detailed) },
                policyVersion: policyVersion)
        }
        let whole = sent(true)
        return whole.encoded.count <= longest ? whole : sent(false)
    }

    private static func members(
        challenge: String, requestKey: PublicKey, sealingKey: PublicKey?, app: AppFacts, signals: [JSON],
        policyVersion: Int64
    ) -> JSON {
        .of(
            ("challenge", .string(challenge)),
            ("request_key", requestKey.jwk),
            ("app_build", .string(fitBuild(app.build))),
            ("os", .string(fit(app.os))),
            ("model", .string(fit(app.model))),
            ("measurements", .object(app.measurements.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })),
            ("signals", .array(signals)),
            ("client_policy_version", .int(policyVersion)),
            ("sealing_key", sealingKey?.jwk))
    }
}

/// What an app says of itself and its device. Texts are cut to what a stack takes.
public struct AppFacts: Sendable {
    /// `ios` or `macos`.
    public let platform: String
    /// `CFBundleVersion`.
    public let build: String
    /// `iOS 27.0`.
    public let os: String
    /// `iPhone18,1`.
    public let model: String
    /// Part of the app → SHA-256 in lower-case hex (docs/app-registration.md).
    public let measurements: [String: String]

    public init(platform: String, build: String, os: String, model: String, measurements: [String: String] = [:]) {
        self.platform = platform
        self.build = build
        self.os = os
        self.model = model
        self.measurements = measurements
    }
}
