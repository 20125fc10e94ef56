package io.bonafide.client.keys

import io.bonafide.client.wire.Malformed
import java.math.BigInteger

/** Between the two spellings of an ECDSA signature: DER, as JCA has it, and r and s of 32 bytes each (RFC 7518 §3.4). */
internal object DerSignature {
    private val ORDER = BigInteger("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
    private const val SEQUENCE = 0x30
    private const val INTEGER = 0x02

    /** r and s of [der]. Throws [Malformed] for anything but the shortest spelling of two positive numbers. */
    fun toRaw(der: ByteArray): ByteArray {
        if (der.size !in 8..72 || der[0].toInt() != SEQUENCE || der[1].toInt() != der.size - 2) refuse()
        val raw = ByteArray(64)
        val middle = number(der, 2, raw, 32)
        if (number(der, middle, raw, 64) != der.size) refuse()
        return raw
    }

    /** Writes the number at [at] so that it ends at [end] of [raw]; returns where it ends in [der]. */
    private fun number(der: ByteArray, at: Int, raw: ByteArray, end: Int): Int {
        if (at + 2 > der.size || der[at].toInt() != INTEGER) refuse()
        val length = der[at + 1].toInt()
        val from = at + 2
        if (length !in 1..33 || from + length > der.size || der[from] < 0) refuse()
        val padded = der[from].toInt() == 0
        if (padded && (length == 1 || der[from + 1] >= 0)) refuse() // zero, or a zero byte that is not needed
        val first = if (padded) from + 1 else from
        if (from + length - first > 32) refuse()
        der.copyInto(raw, end - (from + length - first), first, from + length)
        return from + length
    }

    /**
     * [raw] as DER. Throws [Malformed] for another length, and for numbers outside of 1 … order − 1: providers of some
     * years took a signature of zeros for anyone's (CVE-2022-21449).
     */
    fun fromRaw(raw: ByteArray): ByteArray {
        if (raw.size != 64) refuse()
        val numbers = listOf(BigInteger(1, raw.copyOfRange(0, 32)), BigInteger(1, raw.copyOfRange(32, 64)))
        if (numbers.any { it.signum() == 0 || it >= ORDER }) refuse()
        val body = numbers.map(BigInteger::toByteArray).map { byteArrayOf(INTEGER.toByte(), it.size.toByte()) + it }
            .reduce(ByteArray::plus)
        return byteArrayOf(SEQUENCE.toByte(), body.size.toByte()) + body
    }

    private fun refuse(): Nothing = throw Malformed("not an ECDSA signature of P-256")
}
