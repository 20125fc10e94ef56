package io.bonafide.client.tests

import java.io.File
import kotlin.system.exitProcess

/** `vectors DIRECTORY [FILE…]`, `program CONFIG`, or `units`. */
fun main(arguments: Array<String>) {
    val rest = arguments.drop(1)
    val good = when (arguments.firstOrNull()) {
        "vectors" -> VectorRun(File(rest[0])).all(rest.drop(1))
        "program" -> Program(File(rest[0])).run(System.`in`, System.out)
        "units" -> Units().all()
        else -> error("vectors, program or units")
    }
    exitProcess(if (good) 0 else 1)
}
