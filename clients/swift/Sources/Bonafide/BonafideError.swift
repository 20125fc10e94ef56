import Foundation

/// What an app is told when a call did not succeed: whose fault it is, and the one thing that may help.
///
/// It says nothing of tokens, keys or rules, and may be shown to a person or sent to the app's own log.
public struct BonafideError: Error, Sendable, Equatable {
    /// What happened.
    public enum Code: String, Sendable, CaseIterable {
        /// Nothing answers: no network, or the service cannot be reached.
        case offline
        /// The service, or the platform's, asks to come back later; `retryAfter` says when.
        case unavailable
        /// The device's clock is more than a day wrong.
        case clock
        /// The verifier judged this device or build, and did not accept it. `supportCode` names the decision.
        case rejected
        /// An operator or a rule blocked this install.
        case blocked
        /// The API refused a request with a fresh token and a new proof.
        case refused
        /// This device, simulator or extension attests nothing.
        case unsupportedDevice = "unsupported-device"
        /// The key cannot be used before the device is unlocked.
        case keyLocked = "key-locked"
        /// The client policy forbids to go on: it could not be confirmed, the build is too old, the feature is off, or
        /// a detector fired.
        case stopped
        /// The secret does not exist, is not released to this device, or what came must not be opened.
        case secretRefused = "secret-refused"
        /// The request was sent and it is not known whether it took effect. The app decides whether to send it again.
        case unknownOutcome = "unknown-outcome"
        /// The app is built or registered wrongly: address, name, entitlement.
        case misconfigured
        /// The device did not keep what must be kept.
        case storage
        /// The verifier named a region that cannot be asked.
        case wrongRegion = "wrong-region"
        /// A fault of this library.
        case `internal`
    }

    /// Whose fault it is.
    public enum Fault: String, Sendable, CaseIterable { case network, service, device, user, app }

    /// The one thing that may help.
    public enum Action: String, Sendable, CaseIterable {
        case none
        case connect
        case tryLater = "try-later"
        case setClock = "set-clock"
        case updateApp = "update-app"
        case updateOS = "update-os"
        case restartApp = "restart-app"
        case restartDevice = "restart-device"
        case unlockDevice = "unlock-device"
        case installFromStore = "install-from-store"
        case fixPlay = "fix-play"
        case contactSupport = "contact-support"
    }

    public let code: Code
    public let fault: Fault
    public let action: Action
    /// What a person may quote to the app's support; its operator finds the decision by it.
    public let supportCode: String?
    /// Seconds after which it makes sense to try again.
    public let retryAfter: Int?
    /// The verifier's advice, in its own words.
    public let advice: [String]

    package init(
        _ code: Code, _ fault: Fault, _ action: Action, supportCode: String? = nil, retryAfter: Double? = nil,
        advice: [String] = []
    ) {
        self.code = code
        self.fault = fault
        self.action = action
        self.supportCode = supportCode
        self.retryAfter = retryAfter.map { Int(max(0, min($0, 1e9)).rounded(.up)) }
        self.advice = advice
    }
}

extension BonafideError {
    package static let offline = BonafideError(.offline, .network, .connect)
    package static let clock = BonafideError(.clock, .user, .setClock)
    package static let refused = BonafideError(.refused, .service, .tryLater)
    package static let misconfigured = BonafideError(.misconfigured, .app, .contactSupport)
    package static let storage = BonafideError(.storage, .device, .restartApp)
    package static let wrongRegion = BonafideError(.wrongRegion, .service, .tryLater)
    package static let secretRefused = BonafideError(.secretRefused, .service, .contactSupport)
    package static let fault = BonafideError(.internal, .app, .contactSupport)

    package static func unavailable(after seconds: Double? = nil) -> BonafideError {
        BonafideError(.unavailable, .service, .tryLater, retryAfter: seconds)
    }

    func with(retryAfter seconds: Double) -> BonafideError {
        BonafideError(code, fault, action, supportCode: supportCode, retryAfter: seconds, advice: advice)
    }

    /// What a failure of the key store means for the app.
    package init(_ failure: DeviceFailure) {
        switch failure.code {
        case .appAttestNotSupported, .appAttestInExtension, .simulator, .keyGenerationFailed, .attestationFailed,
            .keyLost, .keyInvalidated, .signingFailed, .other:
            self.init(.unsupportedDevice, .device, .contactSupport)
        case .osTooOld: self.init(.unsupportedDevice, .device, .updateOS)
        case .keyLocked: self.init(.keyLocked, .user, .unlockDevice)
        case .storageFailed: self = .storage
        case .clockWrong: self = .clock
        case .appMisconfigured: self = .misconfigured
        case .verifierUnreachable, .timeout: self = .offline
        case .vendorUnreachable, .vendorQuota, .vendorError: self = .unavailable()
        }
    }
}

extension BonafideError.Action {
    /// The first advice that has an action; the rest is for people.
    package init(advice: [String]) {
        let known: [String: BonafideError.Action] = [
            "update-app": .updateApp, "update-os": .updateOS, "restart-app": .restartApp,
            "restart-device": .restartDevice, "reinstall-app": .installFromStore,
            "reinstall-from-store": .installFromStore, "play-integrity": .fixPlay,
        ]
        self = advice.lazy.compactMap { known[$0] }.first ?? .contactSupport
    }
}
