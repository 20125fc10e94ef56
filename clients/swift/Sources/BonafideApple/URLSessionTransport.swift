#if canImport(Security)
import Bonafide
import Foundation
import Security
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif
#if canImport(AppleFoundation)
import AppleFoundation
#endif

/// URLSession without redirects, cookies, caches and stored credentials, with pins on top of the platform's own check.
public final class URLSessionTransport: NSObject, Transport, URLSessionDataDelegate, @unchecked Sendable {
    private final class Exchange {
        let request: Outgoing
        let finish: (Result<Answer, TransportFailure>) -> Void
        var body = Data()
        var response: HTTPURLResponse?
        var failure: TransportFailure?

        init(_ request: Outgoing, _ finish: @escaping (Result<Answer, TransportFailure>) -> Void) {
            self.request = request
            self.finish = finish
        }
    }

    private let lock = NSLock()
    private var exchanges: [Int: Exchange] = [:]
    private var session: URLSession?

    public override init() { super.init() }

    private func opened() -> URLSession {
        lock.withLock {
            if let session { return session }
            let settings = URLSessionConfiguration.ephemeral
            settings.urlCache = nil
            settings.httpCookieStorage = nil
            settings.httpShouldSetCookies = false
            settings.urlCredentialStorage = nil
            settings.requestCachePolicy = .reloadIgnoringLocalCacheData
            let session = URLSession(configuration: settings, delegate: self, delegateQueue: nil)
            self.session = session
            return session
        }
    }

    public func send(_ request: Outgoing) async throws(TransportFailure) -> Answer {
        guard let url = URL(string: request.url) else { throw .notSent }
        var outgoing = URLRequest(url: url, timeoutInterval: request.patience)
        outgoing.httpMethod = request.method
        outgoing.httpBody = request.body
        request.headers.forEach { outgoing.setValue($0.value, forHTTPHeaderField: $0.key) }
        let task = opened().dataTask(with: outgoing)
        // A byte a minute would keep the request's own timeout from ever ending it.
        let deadline = DispatchWorkItem { [weak self] in self?.end(task, .timeout) }
        DispatchQueue.global().asyncAfter(deadline: .now() + request.patience, execute: deadline)
        defer { deadline.cancel() }
        let result = await withCheckedContinuation { continuation in
            lock.withLock { exchanges[task.taskIdentifier] = Exchange(request) { continuation.resume(returning: $0) } }
            task.resume()
        }
        return try result.get()
    }

    private func exchange(_ task: URLSessionTask) -> Exchange? { lock.withLock { exchanges[task.taskIdentifier] } }

    private func end(_ task: URLSessionTask, _ failure: TransportFailure) {
        exchange(task)?.failure = failure
        task.cancel()
    }

    public func urlSession(
        _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest, completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) { completionHandler(nil) }

    public func urlSession(
        _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
        completionHandler: @escaping @Sendable (URLSession.ResponseDisposition) -> Void
    ) {
        exchange(dataTask)?.response = response as? HTTPURLResponse
        completionHandler(.allow)
    }

    public func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
        guard let exchange = exchange(dataTask) else { return }
        exchange.body.append(data)
        if exchange.body.count > exchange.request.longestAnswer { end(dataTask, .tooLong) }
    }

    public func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
        guard let exchange = lock.withLock({ exchanges.removeValue(forKey: task.taskIdentifier) }) else { return }
        if let failure = exchange.failure { return exchange.finish(.failure(failure)) }
        guard error == nil, let response = exchange.response else {
            return exchange.finish(.failure(Self.failure(error)))
        }
        var headers: [String: String] = [:]
        for (name, value) in response.allHeaderFields {
            if let name = name as? String, let value = value as? String { headers[name.lowercased()] = value }
        }
        exchange.finish(.success(Answer(status: response.statusCode, headers: headers, body: exchange.body)))
    }

    public func urlSession(
        _ session: URLSession, task: URLSessionTask, didReceive challenge: URLAuthenticationChallenge,
        completionHandler: @escaping @Sendable (URLSession.AuthChallengeDisposition, URLCredential?) -> Void
    ) {
        guard let trust = challenge.protectionSpace.serverTrust else { return completionHandler(.performDefaultHandling, nil) }
        let host = challenge.protectionSpace.host
        guard SecTrustEvaluateWithError(trust, nil) else { return completionHandler(.performDefaultHandling, nil) }
        let certificates = (SecTrustCopyCertificateChain(trust) as? [SecCertificate]) ?? []
        let cryptography = CryptoKitCryptography()
        let chain = certificates.compactMap { certificate in
            Certificate.publicKeyInfo(of: SecCertificateCopyData(certificate) as Data).map { cryptography.sha256($0) }
        }
        guard exchange(task)?.request.trusts(host, chain) == true else {
            end(task, .notSent)
            return completionHandler(.cancelAuthenticationChallenge, nil)
        }
        completionHandler(.useCredential, URLCredential(trust: trust))
    }

    private static func failure(_ error: (any Error)?) -> TransportFailure {
        switch (error as? URLError)?.code {
        case .notConnectedToInternet?, .cannotFindHost?, .cannotConnectToHost?, .dnsLookupFailed?,
            .secureConnectionFailed?, .serverCertificateUntrusted?, .dataNotAllowed?, .internationalRoamingOff?: .notSent
        case .timedOut?: .timeout
        case .serverCertificateHasBadDate?, .serverCertificateNotYetValid?: .clockWrong
        default: .broken
        }
    }
}
#endif
