package io.bonafide.client.state

import io.bonafide.client.RandomBytes
import io.bonafide.client.wire.base64url
import java.math.BigInteger

/** An even draw from 0 to 1. */
internal fun RandomBytes.draw(): Double = BigInteger(1, next(6)).toDouble() / (1L shl 48)

/** A name that was never used before: 128 bits. */
internal fun RandomBytes.name(): String = next(16).base64url()
