import Foundation
import Glibc

/// HTTP/1.1 over a plain socket to 127.0.0.1: one request per connection, no redirects. For tests.
public enum LoopbackHTTP {
    public enum Failure: Error { case notSent, broken, timeout, tooLong }

    public struct Reply: Sendable {
        public let status: Int
        public let headers: [String: String]
        public let body: Data
    }

    public static func send(
        _ method: String, _ url: String, headers: [String: String], body: Data?, longest: Int, seconds: Int = 5
    ) throws(Failure) -> Reply {
        guard let (host, port, target) = split(url), host == "127.0.0.1" else { throw .notSent }
        let handle = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard handle >= 0 else { throw .notSent }
        defer { close(handle) }
        var patience = timeval(tv_sec: seconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(handle, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(handle, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else { throw .notSent }
        var head = "\(method) \(target) HTTP/1.1\r\nHost: \(host):\(port)\r\nConnection: close\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        if let body { head += "Content-Length: \(body.count)\r\n" }
        try write(handle, [UInt8]((head + "\r\n").utf8) + [UInt8](body ?? Data()))
        return try read(handle, longest: longest, isHead: method == "HEAD")
    }

    private static func split(_ url: String) -> (String, UInt16, String)? {
        guard url.hasPrefix("http://") else { return nil }
        let rest = url.dropFirst(7).prefix { $0 != "#" }
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        let parts = authority.split(separator: ":")
        guard parts.count == 2, let port = UInt16(parts[1]) else { return nil }
        let path = String(rest.dropFirst(authority.count))
        return (String(parts[0]), port, path.hasPrefix("/") ? path : "/" + path)
    }

    private static func write(_ handle: Int32, _ bytes: [UInt8]) throws(Failure) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(handle, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw .broken }
            sent += count
        }
    }

    private static func read(_ handle: Int32, longest: Int, isHead: Bool) throws(Failure) -> Reply {
        var received = Data()
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let end = Data("\r\n\r\n".utf8)
        var head: (status: Int, headers: [String: String], start: Int)?
        while true {
            if head == nil, let range = received.range(of: end) {
                guard let parsed = parse(received[..<range.lowerBound]) else { throw .broken }
                head = (parsed.0, parsed.1, range.upperBound)
            }
            if let head {
                let have = received.count - head.start
                let told = head.headers["content-length"].flatMap { Int($0) }
                if isHead || head.status == 304 || head.status == 204 {
                    return Reply(status: head.status, headers: head.headers, body: Data())
                }
                if min(have, told ?? have) > longest || told ?? 0 > longest { throw .tooLong }
                if let told, have >= told {
                    return Reply(
                        status: head.status, headers: head.headers, body: Data(received[head.start..<head.start + told]))
                }
            }
            let count = recv(handle, &buffer, buffer.count, 0)
            if count < 0 { throw errno == EAGAIN ? .timeout : .broken }
            if count == 0 { break }
            received.append(contentsOf: buffer[..<count])
        }
        guard let head, head.headers["content-length"] == nil else { throw .broken }
        return Reply(status: head.status, headers: head.headers, body: Data(received[head.start...]))
    }

    private static func parse(_ head: Data) -> (Int, [String: String])? {
        let lines = String(decoding: head, as: UTF8.self).components(separatedBy: "\r\n")
        let first = lines[0].split(separator: " ")
        guard first.count >= 2, let status = Int(first[1]) else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { return nil }
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        return (status, headers)
    }
}
