package io.bonafide.client.wire

import java.net.URI
import java.net.URISyntaxException

/** How a verifier may be addressed. */
internal object Verifier {
    private val REGION = Regex("[a-z0-9][a-z0-9-]{0,62}")

    /** Whether [name] is a region's name. */
    fun isRegion(name: String): Boolean = REGION.matches(name)

    /** Whether [url] is https with a host, without user, query, fragment or slash at the end. */
    fun isUrl(url: String): Boolean = try {
        val parts = URI(url)
        url.startsWith("https://") && !parts.host.isNullOrEmpty() && parts.port != 0 && url.all { it in '!'..'~' } &&
            url.none { it in "?#@\\" } && !url.endsWith("/")
    } catch (_: URISyntaxException) {
        false
    }
}
