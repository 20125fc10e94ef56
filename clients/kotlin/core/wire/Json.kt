package io.bonafide.client.wire

import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException

/** The text is not one strict JSON value. Says nothing of its content, which may be secret. */
internal class NotJson(message: String) : Exception(message)

/**
 * Strict JSON (RFC 8259) without a dependency. A member twice is refused at any depth, since two parsers would each
 * believe another one (RFC 8725 §2.4); so are nesting beyond [MOST_NESTED] and text behind the value.
 *
 * Values are `Map<String, Any?>`, `List<Any?>`, [String], [Boolean], `null`, [Long] for a whole number without fraction and
 * exponent, and [Double] for any other number. So `1.0` is never a whole number.
 */
internal object Json {
    const val MOST_NESTED: Int = 64

    /** Reads [bytes], UTF-8 without faults. Throws [NotJson]. */
    fun read(bytes: ByteArray): Any? = try {
        read(Charsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString())
    } catch (_: CharacterCodingException) {
        throw NotJson("not UTF-8")
    }

    /** Reads [text]. Throws [NotJson]. */
    fun read(text: String): Any? = JsonReader(text).whole()

    /** Reads an object. Throws [NotJson], also for any other value. */
    fun readObject(bytes: ByteArray): Map<String, Any?> = asObject(read(bytes)) ?: throw NotJson("not an object")

    /** [value] as an object, or `null` where it is none. */
    @Suppress("UNCHECKED_CAST") // every map of this reader has text keys
    fun asObject(value: Any?): Map<String, Any?>? = value as? Map<String, Any?>

    /** Compact JSON in the order of the members; only ASCII where a character is outside of the basic plane. */
    fun write(value: Any?): String = StringBuilder().also { append(it, value) }.toString()

    private fun append(out: StringBuilder, value: Any?) {
        when (value) {
            null, is Boolean, is Long, is Int -> out.append(value)
            is Double -> out.append(if (value == Math.rint(value) && Math.abs(value) < 1e15) value.toLong() else value)
            is String -> appendText(out, value)
            is Map<*, *> -> appendAll(out, '{', '}', value.entries) { (name, member) ->
                appendText(out, name as String)
                out.append(':')
                append(out, member)
            }
            is List<*> -> appendAll(out, '[', ']', value) { append(out, it) }
            else -> throw IllegalArgumentException("no JSON for ${value.javaClass.name}")
        }
    }

    private fun <T> appendAll(out: StringBuilder, open: Char, close: Char, all: Collection<T>, one: (T) -> Unit) {
        out.append(open)
        all.forEachIndexed { index, element ->
            if (index > 0) out.append(',')
            one(element)
        }
        out.append(close)
    }

    private fun appendText(out: StringBuilder, text: String) {
        out.append('"')
        for (character in text) {
            when {
                character == '"' || character == '\\' -> out.append('\\').append(character)
                character < ' ' || character.isSurrogate() -> out.append("\\u%04x".format(character.code))
                else -> out.append(character)
            }
        }
        out.append('"')
    }
}

private class JsonReader(private val text: String) {
    private var at = 0

    fun whole(): Any? {
        val value = value(0)
        space()
        return if (at == text.length) value else fail()
    }

    private fun value(depth: Int): Any? {
        if (depth > Json.MOST_NESTED) fail()
        space()
        return when (peek()) {
            '{' -> members(depth)
            '[' -> elements(depth)
            '"' -> text()
            't' -> word("true", true)
            'f' -> word("false", false)
            'n' -> word("null", null)
            else -> number()
        }
    }

    private fun members(depth: Int): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        list('}') {
            space()
            val name = text()
            if (name in members) fail()
            space()
            expect(':')
            members[name] = value(depth + 1)
        }
        return members
    }

    private fun elements(depth: Int): List<Any?> = ArrayList<Any?>().also { list(']') { it.add(value(depth + 1)) } }

    private fun list(close: Char, one: () -> Unit) {
        at++
        space()
        if (peek() == close) {
            at++
            return
        }
        while (true) {
            one()
            space()
            if (peek() == close) break
            expect(',')
        }
        at++
    }

    private fun text(): String {
        expect('"')
        val out = StringBuilder()
        while (true) {
            val character = peek()
            at++
            when {
                character == '"' -> return out.toString()
                character == '\\' -> out.append(escaped())
                character < ' ' -> fail()
                else -> out.append(character)
            }
        }
    }

    private fun escaped(): Char {
        val character = peek()
        at++
        if (character != 'u') {
            val known = "\"\\/bfnrt".indexOf(character)
            return if (known < 0) fail() else "\"\\/\b\u000c\n\r\t"[known]
        }
        val end = at + 4
        if (end > text.length) fail()
        val digits = text.substring(at, end)
        at = end
        return if (digits.all { it in '0'..'9' || it in 'a'..'f' || it in 'A'..'F' }) digits.toInt(16).toChar() else fail()
    }

    private fun number(): Any {
        val found = NUMBER.matchAt(text, at) ?: fail()
        at = found.range.last + 1
        val whole = found.groupValues[1].isEmpty() && found.groupValues[2].isEmpty()
        if (whole) found.value.toLongOrNull()?.let { return it }
        val value = found.value.toDouble()
        return if (value.isInfinite()) fail() else value
    }

    private fun <T> word(word: String, value: T): T {
        if (!text.startsWith(word, at)) fail()
        at += word.length
        return value
    }

    private fun space() {
        while (at < text.length && text[at] in " \t\r\n") at++
    }

    private fun expect(character: Char) {
        if (peek() != character) fail()
        at++
    }

    private fun peek(): Char = if (at < text.length) text[at] else fail()

    private fun fail(): Nothing = throw NotJson("not strict JSON")

    private companion object {
        val NUMBER = Regex("-?(?:0|[1-9][0-9]{0,400})(\\.[0-9]{1,400})?([eE][+-]?[0-9]{1,6})?")
    }
}
