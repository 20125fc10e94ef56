package io.bonafide.client.state

import io.bonafide.client.wire.ClientData

/** Signals of this start of the app: each is reported once, and every renewal carries all of them. */
internal class Signals {
    private val seen = LinkedHashMap<String, String?>()

    /** Whether the signal was not known yet. */
    @Synchronized
    fun add(name: String, detail: String?): Boolean {
        if (name in seen || seen.size >= ClientData.MOST_SIGNALS) return false
        seen[name] = detail
        return true
    }

    /** As client data spells them. */
    @Synchronized
    fun spelled(): List<Any> = seen.map { (name, detail) -> spell(name, detail) }

    internal companion object {
        fun spell(name: String, detail: String?): Any =
            if (detail == null) name else linkedMapOf("name" to name, "detail" to detail)
    }
}
