// swift-tools-version:6.0
// The library for apps: `Bonafide` (no platform calls) and `BonafideApple` (App Attest, Secure Enclave, Keychain).
// On Linux the package has more: stubs that the adapters are type-checked against, and the test program with software
// keys over OpenSSL. None of it is ever part of an app.
import PackageDescription

let package = Package(
    name: "bonafide",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "Bonafide", targets: ["Bonafide", "BonafideApple"])],
    targets: [.target(name: "Bonafide")]
)

#if os(Linux)
let stubs = ["AppleFoundation", "CryptoKit", "DeviceCheck", "Security"]
package.targets += stubs.map { name in
    .target(name: name, dependencies: ["AppleFoundation", "CryptoKit"].contains(name) ? ["Security"] : [], path: "stubs/\(name)")
}
package.targets += [
    .target(name: "BonafideApple", dependencies: ["Bonafide"] + stubs.map { .target(name: $0) }),
    .systemLibrary(name: "COpenSSL", path: "tests/COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .target(name: "SoftwareDevice", dependencies: ["Bonafide", "COpenSSL"], path: "tests/SoftwareDevice"),
    .executableTarget(name: "bonafide-test-client", dependencies: ["Bonafide", "SoftwareDevice"], path: "tests/TestClient"),
]
#else
package.targets += [.target(name: "BonafideApple", dependencies: ["Bonafide"])]
#endif
