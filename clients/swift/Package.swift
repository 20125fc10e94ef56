// swift-tools-version:6.0
// The library for apps: `Bonafide`, which makes no platform calls. On Linux the package has a test program more, with
// software keys over OpenSSL, which is never part of an app.
import PackageDescription

let package = Package(
    name: "bonafide",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "Bonafide", targets: ["Bonafide"])],
    targets: [.target(name: "Bonafide")]
)

#if os(Linux)
package.targets += [
    .systemLibrary(name: "COpenSSL", path: "tests/COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .target(name: "SoftwareDevice", dependencies: ["Bonafide", "COpenSSL"], path: "tests/SoftwareDevice"),
    .executableTarget(name: "bonafide-test-client", dependencies: ["Bonafide", "SoftwareDevice"], path: "tests/TestClient"),
]
#endif
