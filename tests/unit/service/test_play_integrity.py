"""Play Integrity through the service: classic and standard tokens, secrets, the quota and its governor."""

from __future__ import annotations

import pytest
from attestation.errors import Reason
from service.fallback_modes import OnPlayUnavailable
from service.vendors.app_secrets import SecretKind
from service.vendors.play_decoder import PlayUnavailable
from service.vendors.play_integrity import MEMORY
from service.vendors.play_requests import KEPT

from devkit.devices.android.play_integrity import ResponseKeys
from devkit.devices.key_store_installation import Play
from tests.service_stack.google import service_account
from tests.service_stack.memory_stack import ANDROID, APP, GOOGLE, NOW, PACKAGE, Drawn, MemoryStack
from tests.unit.service.android_requests import refused, sent
from tests.unit.service.play_requests import Lines, enrolled, enrolment, renewal, spent

DAY = 86_400


@pytest.fixture
def keyed(stack: MemoryStack) -> MemoryStack:
    """The app's owner gave us the response keys, and a service account."""
    stack.app_secrets.seal_response_keys(APP, GOOGLE.response_keys(PACKAGE), stack.wrapping, NOW)
    stack.app_secrets.seal(APP, "play-account", SecretKind.PLAY_SERVICE_ACCOUNT, service_account(), stack.wrapping, NOW)
    return stack


# --- verdicts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("play", [Play.CLASSIC, Play.STANDARD])
def test_good_verdict_is_affirming_and_kept(keyed: MemoryStack, log_lines: Lines, play: Play) -> None:
    """The default that the cases below change in one place."""
    decision = enrolled(keyed, log_lines, play=play)
    assert (decision["tier"], decision["findings"]) == ("affirming", [])
    (row,) = keyed.attested_keys.rows.values()
    assert row.claims.android is not None
    assert row.claims.android.play is not None
    assert row.claims.android.play.token == play.value


@pytest.mark.parametrize("play", [Play.CLASSIC, Play.STANDARD])
@pytest.mark.parametrize("labels", [(), ("MEETS_EVERY_INTEGRITY",), ("UNKNOWN",)])
def test_verdict_without_a_known_label_rejects(
    keyed: MemoryStack, log_lines: Lines, play: Play, labels: tuple[str, ...]
) -> None:
    """A rooted phone with a good chain; an unknown label never helps."""
    body = enrolment(keyed, keyed.android(play=play, play_labels=labels))
    assert refused(keyed, "/v1/attestations", body, log_lines)[2] == "appraisal-contraindicated"


@pytest.mark.parametrize("play", [Play.CLASSIC, Play.STANDARD])
def test_verdict_over_other_client_data_rejects(keyed: MemoryStack, log_lines: Lines, play: Play) -> None:
    """The attack: a verdict bought from a clean phone."""
    phone = keyed.android(play=play)
    item = {"format": "android-play-integrity", "integrity_token": phone.play_token(bytes(32))}
    body = enrolment(keyed, phone, additional=[item])
    assert refused(keyed, "/v1/attestations", body, log_lines)[2] == Reason.CHALLENGE_MISMATCH


def test_verdict_beside_another_platform_rejects_before_google_is_asked(keyed: MemoryStack, log_lines: Lines) -> None:
    """The attack: burn an app's quota with keys that need none of it."""
    iphone, phone = keyed.installation(), keyed.android(play=Play.STANDARD)
    client_data = iphone.client_data(keyed.challenge())
    body = iphone.attestation_body(client_data)
    body["evidence"] += phone.attestation_body(client_data)["evidence"][1:]
    assert refused(keyed, "/v1/attestations", body, log_lines)[2] == Reason.KEY_OTHER_PLATFORM
    assert (keyed.play_decoder.asked, spent(keyed)) == ([], 0)


def test_bad_chain_costs_no_quota(keyed: MemoryStack, log_lines: Lines) -> None:
    """The proof comes first: Google is asked about genuine keys alone."""
    body = enrolment(keyed, keyed.android(play=Play.STANDARD, signer=bytes(32)))
    assert refused(keyed, "/v1/attestations", body, log_lines)[2] == Reason.SIGNER_MISMATCH
    assert (keyed.play_decoder.asked, spent(keyed)) == ([], 0)


def test_token_that_google_does_not_know_is_malformed(keyed: MemoryStack, log_lines: Lines) -> None:
    """Google's 400: the client's bytes are no token."""
    body = enrolment(
        keyed, keyed.android(), additional=[{"format": "android-play-integrity", "integrity_token": "AAAA"}]
    )
    assert refused(keyed, "/v1/attestations", body, log_lines)[:2] == (400, "malformed-evidence")


@pytest.mark.parametrize("token", ["", "a token", "tök", "\n", "A" * 30_000])
def test_token_that_is_no_text_of_bounded_size_is_never_sent(keyed: MemoryStack, log_lines: Lines, token: str) -> None:
    """What would go to Google is looked at first."""
    body = enrolment(
        keyed, keyed.android(), additional=[{"format": "android-play-integrity", "integrity_token": token}]
    )
    assert refused(keyed, "/v1/attestations", body, log_lines)[:2] == (400, "malformed-evidence")
    assert keyed.play_decoder.asked == []


def test_phone_without_google_is_proven_by_its_key(keyed: MemoryStack, log_lines: Lines) -> None:
    """Verdicts are optional: none sent, none missed, nothing read."""
    assert enrolled(keyed, log_lines)["tier"] == "affirming"
    assert (keyed.app_secrets.calls, spent(keyed)) == (0, 0)


def test_verdict_beside_a_renewal_is_judged(keyed: MemoryStack, log_lines: Lines) -> None:
    """A phone that was rooted since loses its token when it next asks Google."""
    phone = keyed.android()
    keyed.enrol(phone)
    phone.play, phone.play_labels = Play.CLASSIC, ()
    assert refused(keyed, "/v1/tokens", renewal(keyed, phone), log_lines)[2] == "appraisal-contraindicated"
    phone.play_labels = ("MEETS_DEVICE_INTEGRITY",)
    assert keyed.send("POST", "/v1/tokens", renewal(keyed, phone))["statusCode"] == 200


# --- secrets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("play", [Play.CLASSIC, Play.STANDARD])
def test_app_that_gave_no_secrets_cannot_judge_tokens(stack: MemoryStack, log_lines: Lines, play: Play) -> None:
    """Its phones must not send tokens; silently ignoring one would hide a bad verdict."""
    body = enrolment(stack, stack.android(play=play))
    assert refused(stack, "/v1/attestations", body, log_lines)[2] == Reason.REFERENCE_VALUES_MISSING


def test_secrets_are_of_one_app(keyed: MemoryStack, log_lines: Lines) -> None:
    """The attack: one tenant's keys open another's tokens."""
    keyed.register("shop", android=ANDROID)
    body = enrolment(keyed, keyed.android("shop", play=Play.CLASSIC))
    assert refused(keyed, "/v1/attestations", body, log_lines)[2] == Reason.REFERENCE_VALUES_MISSING


def test_token_under_foreign_keys_rejects(keyed: MemoryStack, log_lines: Lines) -> None:
    """The attack: a classic token encrypted and signed by the attacker's own pair."""
    phone = keyed.android()
    body = enrolment(keyed, phone)
    token = ResponseKeys.create(Drawn("mallory")).classic_token({"requestDetails": {}})
    body["evidence"].append({"format": "android-play-integrity", "integrity_token": token})
    assert refused(keyed, "/v1/attestations", body, log_lines)[2] == Reason.INTEGRITY_TOKEN_KEY


def test_keys_rotate_side_by_side(keyed: MemoryStack, log_lines: Lines) -> None:
    """A second pair is added; tokens under either are opened, and the old one may go later."""
    newer = ResponseKeys.create(Drawn("newer"))
    keyed.app_secrets.seal_response_keys(APP, newer, keyed.wrapping, NOW + 1)
    phone = keyed.android(play=Play.CLASSIC)
    client_data = phone.client_data(keyed.challenge())
    body = phone.attestation_body(client_data)
    assert keyed.send("POST", "/v1/attestations", body)["statusCode"] == 201
    keyed.app_secrets.remove(APP, "play-key-0")
    keyed.now += MEMORY + 1
    body = enrolment(keyed, keyed.android(play=Play.CLASSIC))
    assert refused(keyed, "/v1/attestations", body, log_lines)[2] == Reason.INTEGRITY_TOKEN_KEY


def test_classic_token_goes_to_google_where_google_keeps_the_keys(stack: MemoryStack, log_lines: Lines) -> None:
    """No response keys, but an account: Google opens classic tokens as well, so it is asked; here it knows no such."""
    stack.app_secrets.seal(APP, "play-account", SecretKind.PLAY_SERVICE_ACCOUNT, service_account(), stack.wrapping, NOW)
    body = enrolment(stack, stack.android(play=Play.CLASSIC))
    assert refused(stack, "/v1/attestations", body, log_lines)[:2] == (400, "malformed-evidence")
    assert stack.play_decoder.asked == [PACKAGE]


def test_secrets_are_unwrapped_once_and_ride_out_an_outage(keyed: MemoryStack, log_lines: Lines) -> None:
    """Five minutes of memory, and longer while the table or KMS is down."""
    enrolled(keyed, log_lines, play=Play.CLASSIC)
    reads = keyed.app_secrets.calls
    enrolled(keyed, log_lines, play=Play.CLASSIC)
    assert keyed.app_secrets.calls == reads
    keyed.app_secrets.down = True
    keyed.now += MEMORY + 1
    enrolled(keyed, log_lines, play=Play.CLASSIC)


@pytest.mark.parametrize("part", ["app_secrets", "wrapping"])
def test_cold_outage_of_secrets_is_try_later(keyed: MemoryStack, log_lines: Lines, part: str) -> None:
    """Nothing consumed: the same request succeeds when the part is back."""
    enrolled(keyed, log_lines)  # signing keys are in memory; Play's secrets are not
    body = enrolment(keyed, keyed.android(play=Play.CLASSIC))
    getattr(keyed, part).down = True
    assert keyed.send("POST", "/v1/attestations", body)["statusCode"] == 503
    getattr(keyed, part).down = False
    keyed.now += 2
    assert keyed.send("POST", "/v1/attestations", body)["statusCode"] == 201


def test_secret_moved_to_another_row_is_not_opened(keyed: MemoryStack) -> None:
    """The attack: a principal that can write the table gives app A's account to app B. KMS binds the row's name."""
    row = keyed.app_secrets.rows.pop((APP, "play-key-0"))
    keyed.register("shop", android=ANDROID)
    keyed.app_secrets.rows["shop", "play-key-0"] = row
    stolen = keyed.app_secrets.rows["shop", "play-key-0"]
    keyed.app_secrets.rows["shop", "play-key-0"] = type(stolen)(
        app="shop", name=stolen.name, kind=stolen.kind, wrapped=stolen.wrapped, created_at=stolen.created_at
    )
    body = enrolment(keyed, keyed.android("shop", play=Play.CLASSIC))
    assert keyed.send("POST", "/v1/attestations", body)["statusCode"] == 503


@pytest.mark.parametrize("secret", [b"", b"[]", b"{}", b'{"decryption_key":"AA==","verification_key":"AA=="}'])
def test_secret_that_is_no_key_is_our_fault(keyed: MemoryStack, log_lines: Lines, secret: bytes) -> None:
    """503 and a sentence for the operator that names neither key; no client is told off."""
    keyed.app_secrets.seal(APP, "play-key-0", SecretKind.PLAY_RESPONSE_KEYS, secret, keyed.wrapping, NOW)
    status, _, decision = sent(keyed, "/v1/attestations", enrolment(keyed, keyed.android(play=Play.CLASSIC)), log_lines)
    assert (status, decision["detail"].split(":")[0]) == (503, f"app_secrets of {APP}")


# --- the quota ------------------------------------------------------------------------------------------------------


def governed(stack: MemoryStack, quota: int, reserve: int) -> MemoryStack:
    stack.play_daily_quota, stack.play_enrolment_reserve = quota, reserve
    stack.restart()
    return stack


def test_standard_token_costs_one_request_and_a_classic_one_none(keyed: MemoryStack, log_lines: Lines) -> None:
    """Local decryption is free."""
    enrolled(keyed, log_lines, play=Play.CLASSIC)
    assert spent(keyed) == 0
    enrolled(keyed, log_lines, play=Play.STANDARD)
    assert spent(keyed) == 1


def test_spent_quota_falls_back_to_the_key_with_a_finding(keyed: MemoryStack, log_lines: Lines) -> None:
    """No phone is refused for lack of quota; policy sees that Google was not asked, and lowers the tier."""
    governed(keyed, quota=2, reserve=0)
    for _ in range(2):
        assert enrolled(keyed, log_lines, play=Play.STANDARD)["tier"] == "affirming"
    decision = enrolled(keyed, log_lines, play=Play.STANDARD)
    assert (decision["tier"], decision["findings"]) == ("warning", ["play-not-asked"])
    assert (len(keyed.play_decoder.asked), spent(keyed)) == (2, 2)


def test_renewals_leave_the_reserve_to_enrolments(keyed: MemoryStack, log_lines: Lines) -> None:
    """Renewals come every few minutes; they may not eat what new users need."""
    governed(keyed, quota=5, reserve=3)
    phone = keyed.android()
    keyed.enrol(phone)
    phone.play = Play.STANDARD
    tiers = []
    for _ in range(3):
        _, _, decision = sent(keyed, "/v1/tokens", renewal(keyed, phone), log_lines)
        tiers.append(decision["tier"])
    assert (tiers, spent(keyed)) == (["affirming", "affirming", "warning"], 2)
    for _ in range(3):
        assert enrolled(keyed, log_lines, play=Play.STANDARD)["tier"] == "affirming"
    assert enrolled(keyed, log_lines, play=Play.STANDARD)["tier"] == "warning"


def test_new_day_has_a_new_quota(keyed: MemoryStack, log_lines: Lines) -> None:
    """Google's day; the counter is per package and day."""
    governed(keyed, quota=1, reserve=0)
    enrolled(keyed, log_lines, play=Play.STANDARD)
    assert enrolled(keyed, log_lines, play=Play.STANDARD)["tier"] == "warning"
    keyed.now += DAY
    keyed.status_lists.publish({"entries": {}}, keyed.now)
    assert enrolled(keyed, log_lines, play=Play.STANDARD)["tier"] == "affirming"


def test_quota_of_none_never_asks(keyed: MemoryStack, log_lines: Lines) -> None:
    """A stack whose share is zero goes by key attestation alone."""
    governed(keyed, quota=0, reserve=0)
    assert enrolled(keyed, log_lines, play=Play.STANDARD)["findings"] == ["play-not-asked"]
    assert keyed.play_decoder.asked == []


def test_later_verdict_clears_the_finding(keyed: MemoryStack, log_lines: Lines) -> None:
    """The finding says that Google was not asked the last time, and no more."""
    governed(keyed, quota=1, reserve=1)
    phone = keyed.android(play=Play.STANDARD)
    keyed.enrol(phone)
    _, _, decision = sent(keyed, "/v1/tokens", renewal(keyed, phone), log_lines)
    assert decision["findings"] == ["play-not-asked"]
    phone.play = Play.CLASSIC
    _, _, decision = sent(keyed, "/v1/tokens", renewal(keyed, phone), log_lines)
    assert decision["findings"] == []


def test_bad_verdict_of_yesterday_is_not_washed_off_by_a_spent_quota(keyed: MemoryStack, log_lines: Lines) -> None:
    """The attack: renew with a token that Google no longer opens. The stored verdict stays until a newer replaces
    it."""
    governed(keyed, quota=1, reserve=0)
    phone = keyed.android(play=Play.STANDARD, play_labels=("MEETS_BASIC_INTEGRITY",))
    keyed.enrol(phone)
    _, _, decision = sent(keyed, "/v1/tokens", renewal(keyed, phone), log_lines)
    assert decision["findings"] == ["play-not-asked", "play-device-basic-only"]


def test_same_request_again_costs_nothing_and_hears_the_same(keyed: MemoryStack, log_lines: Lines) -> None:
    """After a 503 the very same request is sent again. Google blanks a token it decodes twice, so we ask once."""
    body = enrolment(keyed, keyed.android(play=Play.STANDARD))
    keyed.redemption.down = True
    assert keyed.send("POST", "/v1/attestations", body)["statusCode"] == 503
    keyed.redemption.down = False
    status, _, decision = sent(keyed, "/v1/attestations", body, log_lines)
    assert (status, decision["tier"]) == (201, "affirming")
    assert (len(keyed.play_decoder.asked), spent(keyed)) == (1, 1)


def test_replayed_request_costs_no_quota(keyed: MemoryStack) -> None:
    """The attack: one recorded request, ten thousand times, to starve an app's users of verdicts."""
    body = enrolment(keyed, keyed.android(play=Play.STANDARD))
    statuses = [keyed.send("POST", "/v1/attestations", body)["statusCode"] for _ in range(5)]
    assert (statuses, spent(keyed), len(keyed.play_decoder.asked)) == ([201] * 5, 1, 1)


def test_kept_answer_is_of_one_token_for_a_quarter_of_an_hour(keyed: MemoryStack, log_lines: Lines) -> None:
    """Longer than any verdict is taken; TTL deletes late, so the date is looked at."""
    enrolled(keyed, log_lines, play=Play.STANDARD)
    ((digest, (answer, _)),) = keyed.play_requests.answers.items()
    assert keyed.play_requests.answer(digest, NOW + KEPT - 1) == answer
    assert keyed.play_requests.answer(digest, NOW + KEPT) is None
    assert keyed.play_requests.answer("0" * 64, NOW) is None


# --- Google in trouble ----------------------------------------------------------------------------------------------


def test_unavailable_google_is_try_later_and_a_new_challenge_goes_on(keyed: MemoryStack, log_lines: Lines) -> None:
    """5xx or a timeout: never trusted, never held against the phone. The same request again is told to get a new
    challenge, and with it a new token: Google may have decoded the old one before its answer was lost."""
    phone = keyed.android(play=Play.STANDARD)
    body = enrolment(keyed, phone)
    keyed.play_decoder.trouble = PlayUnavailable("play integrity: status 503")
    status, slug, decision = sent(keyed, "/v1/attestations", body, log_lines)
    assert (status, slug, decision["detail"]) == (503, "try-later", "play integrity: status 503")
    keyed.play_decoder.trouble = None
    assert refused(keyed, "/v1/attestations", body, log_lines) == (
        409,
        "challenge-unusable",
        "challenge-spent",
    )
    assert keyed.send("POST", "/v1/attestations", enrolment(keyed, phone))["statusCode"] == 201


def test_stack_may_choose_to_go_on_without(keyed: MemoryStack, log_lines: Lines) -> None:
    """The explicit choice: key attestation alone, with a finding, while Google cannot be asked."""
    keyed.on_play_unavailable = OnPlayUnavailable.SKIP
    keyed.restart()
    keyed.play_decoder.trouble = PlayUnavailable("play integrity: status 500")
    decision = enrolled(keyed, log_lines, play=Play.STANDARD)
    assert (decision["tier"], decision["findings"]) == ("warning", ["play-not-asked"])
    (row,) = keyed.attested_keys.rows.values()
    assert row.claims.android is not None
    assert (row.claims.android.play, row.claims.android.play_skipped) == (None, "unavailable")


def test_google_that_had_enough_is_left_alone(keyed: MemoryStack, log_lines: Lines) -> None:
    """429 with Retry-After: the first is told 503; until then Google is not asked, and enrolments go by their keys."""
    keyed.play_decoder.trouble = PlayUnavailable("play integrity: quota (status 429)", pause=120)
    body = enrolment(keyed, keyed.android(play=Play.STANDARD))
    assert keyed.send("POST", "/v1/attestations", body)["statusCode"] == 503
    for _ in range(3):
        assert enrolled(keyed, log_lines, play=Play.STANDARD)["findings"] == ["play-not-asked"]
    assert len(keyed.play_decoder.asked) == 1
    keyed.play_decoder.trouble = None
    keyed.now += 120
    assert enrolled(keyed, log_lines, play=Play.STANDARD)["tier"] == "affirming"


def test_table_of_requests_that_is_down_is_try_later(keyed: MemoryStack) -> None:
    """Without the counter it is not known what Google would say: 503, and Google is not asked uncounted."""
    body = enrolment(keyed, keyed.android(play=Play.STANDARD))
    keyed.play_requests.down = True
    assert keyed.send("POST", "/v1/attestations", body)["statusCode"] == 503
    assert keyed.play_decoder.asked == []


def test_secrets_and_tokens_are_in_no_log_line(keyed: MemoryStack, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither on success nor on any refusal."""
    phone = keyed.android(play=Play.CLASSIC)
    body = enrolment(keyed, phone)
    keyed.send("POST", "/v1/attestations", body)
    keyed.send("POST", "/v1/attestations", body)
    keyed.app_secrets.down = True
    keyed.restart()
    keyed.send("POST", "/v1/attestations", enrolment(keyed, keyed.android(play=Play.CLASSIC)))
    written = "".join(capsys.readouterr())
    texts = GOOGLE.response_keys(PACKAGE).console_texts
    token = body["evidence"][1]["integrity_token"]
    for secret in (texts["decryption_key"], token, "PRIVATE KEY", service_account().decode()[-60:]):
        assert secret not in written
