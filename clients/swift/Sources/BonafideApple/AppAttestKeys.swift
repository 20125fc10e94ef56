#if canImport(DeviceCheck)
import Bonafide
import DeviceCheck
import Foundation

/// App Attest. One attestation per key, one counter per key for all processes of the app.
public struct AppAttestKeys: AttestedKeys {
    public init() {}

    private enum Step { case make, attest, assert }

    public func make() async throws(DeviceFailure) -> String {
        guard DCAppAttestService.shared.isSupported else { throw DeviceFailure(Self.unsupported) }
        do { return try await DCAppAttestService.shared.generateKey() } catch { throw Self.failure(error, at: .make) }
    }

    public func attest(_ name: String, clientDataHash: Data) async throws(DeviceFailure) -> Data {
        do {
            return try await DCAppAttestService.shared.attestKey(name, clientDataHash: clientDataHash)
        } catch { throw Self.failure(error, at: .attest) }
    }

    public func assert(_ name: String, clientDataHash: Data) async throws(DeviceFailure) -> Data {
        do {
            return try await DCAppAttestService.shared.generateAssertion(name, clientDataHash: clientDataHash)
        } catch { throw Self.failure(error, at: .assert) }
    }

    /// Why `isSupported` is false: a simulator, an extension of most kinds, or a device without App Attest.
    private static var unsupported: DeviceFailure.Code {
        #if targetEnvironment(simulator)
        return .simulator
        #else
        return Bundle.main.bundleURL.pathExtension == "appex" ? .appAttestInExtension : .appAttestNotSupported
        #endif
    }

    /// The table of docs/clients/ios.md. What `serverUnavailable` means (no network, Apple's limits) cannot be told apart.
    private static func failure(_ error: any Error, at step: Step) -> DeviceFailure {
        guard let code = (error as? DCError)?.code else { return DeviceFailure(.other) }
        switch (code, step) {
        case (.featureUnsupported, _): return DeviceFailure(unsupported)
        case (.serverUnavailable, _): return DeviceFailure(.vendorUnreachable)
        case (.invalidKey, .assert): return DeviceFailure(.keyLost)
        case (.invalidKey, _): return DeviceFailure(step == .make ? .keyGenerationFailed : .keyInvalidated)
        case (_, .make): return DeviceFailure(.keyGenerationFailed)
        case (_, .attest): return DeviceFailure(.attestationFailed)
        case (_, .assert): return DeviceFailure(.signingFailed)
        }
    }
}
#endif
