package io.bonafide.client.wire

/**
 * Client data as it is sent: cut to what the stack takes, before it is hashed. A refusal would keep a genuine app out for a
 * careless vendor's model name. Lengths count code points.
 */
internal object ClientData {
    const val MOST_BYTES: Int = 16 * 1024
    const val MOST_TEXT: Int = 256
    const val MOST_BUILD: Int = 64
    const val MOST_SIGNALS: Int = 64

    /** Without control characters (C0, DEL, C1) and lone surrogates, and then at most [MOST_TEXT] characters. */
    fun text(text: String): String {
        val out = StringBuilder()
        var kept = 0
        var at = 0
        while (at < text.length && kept < MOST_TEXT) {
            val point = text.codePointAt(at)
            at += Character.charCount(point)
            val unfit = point < 0x20 || point in 0x7f..0x9f || point in 0xd800..0xdfff
            if (!unfit) {
                out.appendCodePoint(point)
                kept++
            }
        }
        return out.toString()
    }

    /** A build's number: printable ASCII, at most [MOST_BUILD] characters. */
    fun build(text: String): String = text.filter { it in ' '..'~' }.take(MOST_BUILD)

    /**
     * The members that are sent for [members]: texts are cut, signals are at most [MOST_SIGNALS], the first ones, without those
     * that have no name left. Where all would be too long, no signal has a detail.
     */
    fun fit(members: Map<String, Any?>): Map<String, Any?> {
        val sent = LinkedHashMap(members)
        (sent["app_build"] as? String)?.let { sent["app_build"] = build(it) }
        for (name in listOf("os", "model")) (sent[name] as? String)?.let { sent[name] = text(it) }
        val signals = (sent["signals"] as? List<*> ?: return sent).mapNotNull(::signal).take(MOST_SIGNALS)
        sent["signals"] = signals
        if (bytes(sent).size > MOST_BYTES) sent["signals"] = signals.map { Json.asObject(it)?.get("name") ?: it }
        return sent
    }

    /** The exact bytes that evidence binds. They are kept until they are answered. */
    fun bytes(members: Map<String, Any?>): ByteArray = Json.write(members).toByteArray()

    private fun signal(signal: Any?): Any? {
        val members = Json.asObject(signal) ?: return text(signal as String).ifEmpty { null }
        val cut = listOf("name", "detail").filter(members::containsKey).associateWith { text(members[it].toString()) }
        return cut.takeIf { !it["name"].isNullOrEmpty() }
    }
}
