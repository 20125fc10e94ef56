import Foundation

/// The test program: `vectors FOLDER [FILE…]` runs vectors, anything else is the configuration of the kit's protocol.
@main
enum Main {
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard let first = arguments.first else {
            FileHandle.standardError.write(Data("usage: bonafide-test-client vectors FOLDER [FILE…] | CONFIG.json\n".utf8))
            exit(2)
        }
        if first == "vectors", arguments.count >= 2 {
            exit(await Vectors(folder: arguments[1]).run(only: Array(arguments.dropFirst(2))) ? 0 : 1)
        }
        await KitProgram.run(configuration: first)
    }
}
