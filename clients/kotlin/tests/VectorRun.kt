package io.bonafide.client.tests

import io.bonafide.client.wire.Json
import java.io.File

/** A case that the client does not agree with. */
internal class Disagrees(message: String) : Exception(message)

/** One JSON object of a vector file. */
internal class Case(val members: Map<String, Any?>) {
    val name: String get() = (members["case"] ?: members["attack"]) as String

    fun text(name: String): String = members[name] as String

    fun maybe(name: String): String? = members[name] as String?

    fun number(name: String): Double = (members[name] as Number).toDouble()

    fun whole(name: String): Long = members[name] as Long

    fun list(name: String): List<Any?> = members[name] as List<Any?>

    fun part(name: String): Case = Case(Json.asObject(members[name]) ?: error("$name is no object"))

    fun cases(name: String): List<Case> = list(name).map { Case(checkNotNull(Json.asObject(it))) }
}

/** Runs the vector files that concern a client, and prints a line for each. */
internal class VectorRun(private val folder: File) {
    private val checks: Map<String, (Checker) -> Unit> = linkedMapOf(
        "client-data.json" to WireVectors::clientData,
        "thumbprints.json" to KeyVectors::thumbprints,
        "key-ids.json" to KeyVectors::keyIds,
        "signatures.json" to KeyVectors::signatures,
        "signed-bodies.json" to KeyVectors::signedBodies,
        "proofs.json" to WireVectors::proofs,
        "sealed-secrets.json" to KeyVectors::sealedSecrets,
        "client-policies.json" to PolicyVectors::policies,
        "pins.json" to PolicyVectors::pins,
        "root-sets.json" to PolicyVectors::rootSets,
        "refusals.json" to RefusalVectors::refusals,
        "clock-offsets.json" to WireVectors::clockOffsets,
        "token-answers.json" to WireVectors::tokenAnswers,
        "waits.json" to WireVectors::waits,
    )

    /** Whether all of [files] pass; all files where none is named. */
    fun all(files: List<String>): Boolean {
        val wanted = files.ifEmpty { checks.keys.toList() }
        require(wanted.all(checks::containsKey)) { "no vectors of that name" }
        return wanted.map(::passes).all { it }
    }

    private fun passes(name: String): Boolean {
        val checker = Checker(name, Case(Json.readObject(File(folder, name).readBytes())))
        checks.getValue(name)(checker)
        if (checker.count == 0) checker.failures += "$name: no case was run"
        checker.failures.forEach { println("FAILED $it") }
        if (checker.failures.isEmpty()) println("ok $name ${checker.count} cases")
        return checker.failures.isEmpty()
    }
}

/** Runs the cases of one file. */
internal class Checker(private val name: String, val file: Case) {
    val failures = ArrayList<String>()
    var count = 0
        private set

    /** Runs [check] for every case of [list]; what it throws is the reason why it failed. */
    fun each(list: String, check: (Case) -> Unit) {
        for (case in file.cases(list)) {
            count++
            try {
                check(case)
            } catch (error: Exception) {
                failures += "$name: ${case.name}: ${error.javaClass.simpleName} ${error.message}"
            }
        }
    }

    fun same(found: Any?, expected: Any?) {
        if (found != expected) throw Disagrees("$found instead of $expected")
    }

    /** [action] must refuse by throwing [refusal], and nothing else. */
    fun refuses(refusal: Class<out Exception>, action: () -> Any?) {
        val found = try {
            action()
        } catch (error: Exception) {
            if (refusal.isInstance(error)) return
            throw error
        }
        throw Disagrees("taken: $found")
    }
}
