package io.bonafide.client.wire

/**
 * Where a request goes. [htu] is the URL of proofs: normalised by RFC 3986 §6.2.2 and §6.2.3, without query and fragment
 * (RFC 9449 §4.2). [url] is what is called: [htu] and the query, so that what is sent is what was signed.
 */
internal class Target private constructor(val origin: String, val host: String, val htu: String, val url: String) {
    internal companion object {
        private val URL = Regex(
            "(https?)://([A-Za-z0-9.-]+|\\[[0-9A-Fa-f:.]+])(?::([0-9]{0,5}))?(/[^?#\\uD800-\\uDFFF]*)?(?:\\?([^#]*))?(?:#.*)?",
            setOf(RegexOption.IGNORE_CASE, RegexOption.DOT_MATCHES_ALL),
        )
        private val ODD = Regex("%[0-9A-Fa-f]{2}|[^A-Za-z0-9._~!$&'()*+,;=:@/-]")
        private val ODD_IN_QUERY = Regex("[^!$-~]") // everything but printable ASCII, `"` and `#`
        private const val UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

        /** The target of [url], or `null` for what is not http(s), names a user, or cannot be called. */
        fun of(url: String): Target? {
            val groups = URL.matchEntire(url)?.groups ?: return null
            val scheme = groups[1]?.value.orEmpty().lowercase()
            val host = groups[2]?.value.orEmpty().lowercase()
            val port = groups[3]?.value.orEmpty().trimStart('0')
            val usual = if (scheme == "https") "443" else "80"
            val path = withoutDots(ODD.replace(groups[4]?.value ?: "/") { escape(it.value) })
            val query = groups[5]?.let { "?" + ODD_IN_QUERY.replace(it.value) { odd -> escapeBytes(odd.value) } }.orEmpty()
            val origin = "$scheme://$host" + if (port.isEmpty() || port == usual) "" else ":$port"
            return Target(origin, host, origin + path, origin + path + query)
        }

        private fun escape(found: String): String {
            if (found.length != 3 || found[0] != '%') return escapeBytes(found)
            val character = found.substring(1).toInt(16).toChar()
            return if (character in UNRESERVED) character.toString() else found.uppercase()
        }

        private fun escapeBytes(text: String): String = text.toByteArray().joinToString("") { "%%%02X".format(it) }

        /** RFC 3986 §5.2.4 for an absolute path. */
        private fun withoutDots(path: String): String {
            val kept = ArrayList<String>()
            val segments = path.split('/').drop(1)
            for (segment in segments) {
                when (segment) {
                    "." -> Unit
                    ".." -> if (kept.isNotEmpty()) kept.removeAt(kept.size - 1)
                    else -> kept.add(segment)
                }
            }
            if (segments.last() == "." || segments.last() == "..") kept.add("")
            return "/" + kept.joinToString("/")
        }
    }
}
