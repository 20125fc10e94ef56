// What the adapters use of DeviceCheck, from its documentation: for type checks on Linux, never part of an app.
import Foundation

public struct DCError: Error {
    public enum Code: Int, Sendable {
        case unknownSystemFailure = 0
        case featureUnsupported = 1
        case invalidInput = 2
        case invalidKey = 3
        case serverUnavailable = 4
    }

    public let code: Code
}

public final class DCAppAttestService: @unchecked Sendable {
    public static let shared = DCAppAttestService()
    public var isSupported: Bool { false }
    public func generateKey() async throws -> String { throw DCError(code: .featureUnsupported) }
    public func attestKey(_ keyId: String, clientDataHash: Data) async throws -> Data { throw DCError(code: .featureUnsupported) }
    public func generateAssertion(_ keyId: String, clientDataHash: Data) async throws -> Data {
        throw DCError(code: .featureUnsupported)
    }
}
