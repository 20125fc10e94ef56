import Foundation

/// One HTTP request, complete.
public struct Outgoing: Sendable {
    public let method: String
    public let url: String
    public let headers: [String: String]
    public let body: Data?
    /// Bytes of the answer's body after which the transport gives up: the answer is `tooLong` then.
    public let longestAnswer: Int
    /// Seconds for the whole exchange.
    public let patience: Double
    /// Whether a **verified** chain of this host may be trusted: gets SHA-256 of each SubjectPublicKeyInfo, leaf first.
    public let trusts: @Sendable (_ host: String, _ chain: [Data]) -> Bool
}

/// One HTTP answer. Names of headers are in lower case.
public struct Answer: Sendable {
    public let status: Int
    public let headers: [String: String]
    public let body: Data

    public init(status: Int, headers: [String: String], body: Data) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// Why there is no answer. None of these says whether the request arrived, but for `notSent`.
public enum TransportFailure: Error, Sendable {
    /// No connection was made: no network, no such host, refused.
    case notSent
    case broken
    case timeout
    case tooLong
    /// The platform's check of the certificate failed because of the device's clock.
    case clockWrong
}

/// HTTP without redirects, cookies or caches: an answer 3xx is an answer.
public protocol Transport: Sendable {
    func send(_ request: Outgoing) async throws(TransportFailure) -> Answer
}
