import Foundation

/// A client policy's document as an app reads it: what it does not know it ignores, what it knows it reads strictly
/// (docs/client-policy.md).
package struct PolicyRules: Sendable {
    package enum Reaction: String, Sendable { case report, warn, block, wipe }

    package private(set) var refreshSeconds = 3600.0
    package private(set) var mustBeCurrent = false
    package private(set) var staleAfter = 7 * 86_400.0
    /// By signal; ``off`` for a detector that neither runs nor reports.
    package private(set) var reactions: [String: Reaction] = [:]
    package private(set) var off: Set<String> = []
    package private(set) var minimumBuilds: [String: String] = [:]
    package private(set) var featuresOff: Set<String> = []
    /// The least version of each secret that the app may open.
    package private(set) var secrets: [String: Int64] = [:]
    package private(set) var pins: [PinSet] = []
    /// More regions, by name: they add to those that are built in.
    package private(set) var regions: [String: String] = [:]

    static let signals: Set<String> = [
        "debugger", "hooking", "memory-dump", "root", "jailbreak", "emulator", "overlay", "screen-capture",
        "accessibility-abuse", "app-clone", "repackaged", "automation",
    ]

    private static let platforms: Set<String> = ["ios", "macos", "android", "harmony"]

    private static func isRegion(_ name: String) -> Bool {
        (1...63).contains(name.utf8.count) && !name.hasPrefix("-")
            && name.utf8.allSatisfy { "abcdefghijklmnopqrstuvwxyz0123456789-".utf8.contains($0) }
    }

    /// What an app does that has no policy yet: report what it sees.
    package init() {}

    private struct WrongType: Error {}

    /// `nil` for a format of the future, or a known member of another type or value: half a policy is none.
    package init?(document: JSON) {
        do { try read(document) } catch { return nil }
    }

    private mutating func read(_ document: JSON) throws(WrongType) {
        guard document["format"]?.whole == 1 else { throw WrongType() }
        refreshSeconds = Double(try Self.whole(document, "refresh_seconds") ?? 3600)
        guard (60...604_800).contains(refreshSeconds) else { throw WrongType() }
        if let stale = document["stale"] {
            guard stale.members != nil else { throw WrongType() }
            let mode = try Self.text(stale, "mode") ?? "keep-last"
            guard mode == "must-be-current" || mode == "keep-last" else { throw WrongType() }
            mustBeCurrent = mode == "must-be-current"
            staleAfter = Double(try Self.whole(stale, "after_seconds") ?? 604_800)
            guard (300...7_776_000).contains(staleAfter) else { throw WrongType() }
        }
        for detector in try Self.members(document, "detectors") where Self.signals.contains(detector.name) {
            guard detector.value.members != nil,
                let reaction = Reaction(rawValue: try Self.text(detector.value, "reaction") ?? "report")
            else { throw WrongType() }
            if try Self.flag(detector.value, "enabled") ?? true {
                reactions[detector.name] = reaction
            } else {
                off.insert(detector.name)
            }
        }
        for build in try Self.members(document, "minimum_builds") where Self.platforms.contains(build.name) {
            guard let least = build.value.text, Builds.isBuild(least) else { throw WrongType() }
            minimumBuilds[build.name] = least
        }
        for feature in try Self.members(document, "kill_switches") {
            guard let isOff = feature.value.flag else { throw WrongType() }
            if isOff { featuresOff.insert(feature.name) }
        }
        for secret in try Self.members(document, "secrets") {
            guard secret.value.members != nil else { throw WrongType() }
            let least = try Self.whole(secret.value, "minimum_version") ?? 1
            guard least >= 1, least < SignedPolicy.largestVersion else { throw WrongType() }
            secrets[secret.name] = least
        }
        for region in try Self.members(document, "regions") {
            guard Self.isRegion(region.name), let url = region.value.text, TargetURL.isVerifier(url) else {
                throw WrongType()
            }
            regions[region.name] = url
        }
        if let listed = document["pins"] {
            guard let sets = listed.list else { throw WrongType() }
            pins = sets.compactMap { PinSet($0) }
            guard pins.count == sets.count else { throw WrongType() }
        }
    }

    /// Whether a build of this platform may go on.
    package func allows(build: String, platform: String) -> Bool {
        minimumBuilds[platform].map { Builds.allows(build, least: $0) } ?? true
    }

    private static func whole(_ object: JSON, _ name: String) throws(WrongType) -> Int64? {
        guard let member = object[name] else { return nil }
        guard let value = member.whole else { throw WrongType() }
        return value
    }

    private static func text(_ object: JSON, _ name: String) throws(WrongType) -> String? {
        guard let member = object[name] else { return nil }
        guard let value = member.text else { throw WrongType() }
        return value
    }

    private static func flag(_ object: JSON, _ name: String) throws(WrongType) -> Bool? {
        guard let member = object[name] else { return nil }
        guard let value = member.flag else { throw WrongType() }
        return value
    }

    private static func members(_ object: JSON, _ name: String) throws(WrongType) -> [JSON.Member] {
        guard let member = object[name] else { return [] }
        guard let value = member.members else { throw WrongType() }
        return value
    }
}
