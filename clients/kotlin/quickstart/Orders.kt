package quickstart

import android.content.Context
import io.bonafide.client.BonafideConfig
import io.bonafide.client.BonafideException
import io.bonafide.client.android.BonafideAndroid

private const val ROOTS = "{}" // the stack's root set, which your build puts in

internal fun placeOrder(context: Context, order: ByteArray, show: (ByteArray) -> Unit, tell: (String, String?) -> Unit) {
    // begin
    val config = BonafideConfig(
        app = "demo", issuer = "demo-stack", rootSet = ROOTS,
        verifier = "https://verify.example.com", guarded = listOf("https://api.example.com"),
    )
    val bonafide = BonafideAndroid.create(context, config) // once per process

    val json = mapOf("Content-Type" to "application/json")
    try {
        val answer = bonafide.request("POST", "https://api.example.com/v1/orders", json, order)
        show(answer.body)
    } catch (error: BonafideException) {
        tell(error.action.text, error.supportCode)
    }
    // end
}
