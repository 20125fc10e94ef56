#if canImport(DeviceCheck) && canImport(CryptoKit) && canImport(Security)
import Bonafide
import Foundation
#if canImport(AppleFoundation)
import AppleFoundation
#endif

extension Bonafide {
    /// The client of this app on this device. Make one per process and keep it; nothing is asked before the first call.
    ///
    /// - Parameters:
    ///   - app: the name under which the app is registered.
    ///   - issuer: the stack's issuer.
    ///   - roots: the JSON of the stack's root set.
    ///   - regions: name → base URL of the verifier. One region: `["home": "https://…"]`.
    ///   - guarded: the origins of your own APIs. Token and proof go to these and to no other.
    ///   - group: an app group that the app shares with the extensions that use Bonafide too. Its name is also the
    ///     keychain access group, as app groups are.
    ///   - measurements: part of the app → SHA-256 in hex (docs/app-registration.md).
    public static func onThisDevice(
        app: String, issuer: String, roots: Data, regions: [String: String], home: String = "home", guarded: [String],
        group: String? = nil, measurements: [String: String] = [:]
    ) throws(BonafideError) -> Bonafide {
        let cryptography = CryptoKitCryptography()
        let configuration = try Configuration(
            app: app, issuer: issuer, roots: roots, regions: regions, home: home, guarded: guarded,
            cryptography: cryptography)
        let lock = group.flatMap { FileLock(group: $0, name: app) }
        let device = Device(
            facts: .ofThisDevice(measurements: measurements), cryptography: cryptography, attestedKeys: AppAttestKeys(),
            enclave: SecureEnclaveKeys(), transport: URLSessionTransport(),
            storage: KeychainStorage(account: app, group: group, lock: lock), clock: SystemClock(),
            random: SystemRandomness(), lock: lock ?? SingleProcess())
        return Bonafide(configuration, on: device)
    }
}

extension AppFacts {
    /// Build, system and model as the platform names them.
    public static func ofThisDevice(measurements: [String: String] = [:]) -> AppFacts {
        let version = ProcessInfo.processInfo.operatingSystemVersion
        let build = Bundle.main.object(forInfoDictionaryKey: "CFBundleVersion") as? String ?? ""
        #if os(macOS)
        let (platform, system, model) = ("macos", "macOS", "hw.model")
        #else
        let (platform, system, model) = ("ios", "iOS", "hw.machine")
        #endif
        return AppFacts(
            platform: platform, build: build, os: "\(system) \(version.majorVersion).\(version.minorVersion)",
            model: named(model), measurements: measurements)
    }

    private static func named(_ name: String) -> String {
        var size = 0
        guard sysctlbyname(name, nil, &size, nil, 0) == 0, size > 1 else { return "" }
        var bytes = [UInt8](repeating: 0, count: size)
        guard sysctlbyname(name, &bytes, &size, nil, 0) == 0 else { return "" }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}
#endif
