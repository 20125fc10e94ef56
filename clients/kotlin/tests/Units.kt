package io.bonafide.client.tests

/** Tests of the core that no vector and no scenario can show. */
internal class Units {
    fun all(): Boolean = true
}
