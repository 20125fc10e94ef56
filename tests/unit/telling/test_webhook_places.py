"""Where webhooks may lead, and when they are tried again."""

from __future__ import annotations

import base64

import pytest
from service.fallback_modes import WebhookAddresses
from service.telling.schedule import LONGEST_WAIT, MOST_ATTEMPTS, WAITS, retry_after, wait_after
from service.telling.signing import signed_headers
from service.telling.webhook import judge_of, read_place
from service.telling.webhook_secret import written

PUBLIC, PRIVATE, LOOPBACK = WebhookAddresses


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.com", "https://hooks.example.com"),
        ("https://hooks.example.com/", "https://hooks.example.com"),
        ("https://hooks.example.com/services/T0/secret?x=1", "https://hooks.example.com/..."),
        ("https://hooks.example.com:8443/a", "https://hooks.example.com:8443/..."),
        ("HTTPS://Hooks.Example.com/a", "https://hooks.example.com/..."),
    ],
)
def test_https_address_of_a_host_is_taken_and_shown_without_its_path(url: str, shown: str) -> None:
    """A path is often the receiver's secret."""
    place = read_place(url, PUBLIC)
    assert (place.scheme, place.shown) == ("https", shown)
    assert "secret" not in repr(place)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://user:word@hooks.example.com/",
        "https://hooks.example.com/#part",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://2130706433/",
        "https://localhost/",
        "https://hooks.example.com:25/",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com//evil.example/",
        "https://hooks.example.com\\@evil.example/",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\r\nHost: x",
        "https://höoks.example.com/",
        "ftp://hooks.example.com/",
        "gopher://hooks.example.com:6379/_x",
        "https:///path",
        "//hooks.example.com/",
        "",
    ],
)
@pytest.mark.parametrize("addresses", WebhookAddresses)
def test_other_addresses_are_refused(url: str, addresses: WebhookAddresses) -> None:
    """The attack: request forgery by an address that is read in two ways, or is none of a host. Never quoted."""
    with pytest.raises(ValueError, match="must be an https address") as refused:
        read_place(url, addresses)
    assert not url or url not in str(refused.value)


def test_plain_http_is_for_a_laptops_own_port() -> None:
    """And for no stack that a template makes."""
    place = read_place("http://127.0.0.1:8080/in?team=a", LOOPBACK)
    assert (place.scheme, place.port, place.target) == ("http", 8080, "/in?team=a")
    for addresses in (PUBLIC, PRIVATE):
        with pytest.raises(ValueError, match="must be"):
            read_place("http://127.0.0.1:8080/in", addresses)


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("93.184.216.34", True, True),
        ("2606:4700::1111", True, True),
        ("10.1.2.3", False, True),
        ("172.31.0.9", False, True),
        ("192.168.7.7", False, True),
        ("fd12:3456::1", False, True),
        ("127.0.0.1", False, False),
        ("::1", False, False),
        ("::ffff:10.0.0.1", False, False),
        ("169.254.169.254", False, False),
        ("169.254.170.2", False, False),
        ("fd00:ec2::254", False, False),
        ("fe80::1", False, False),
        ("fd12::1%eth0", False, False),
        ("100.64.0.1", False, False),
        ("0.0.0.0", False, False),  # noqa: S104
        ("224.0.0.1", False, False),
        ("172.32.0.1", True, True),
        ("not an address", False, False),
    ],
)
def test_resolved_addresses_are_judged(address: str, public: bool, private: bool) -> None:
    """The attack: a name that resolves to the metadata service, the loopback or a neighbour. Private networks are an
    operator's choice; the function's own credentials are never in reach."""
    assert judge_of(PUBLIC)(address) is judge_of(LOOPBACK)(address) is public
    assert judge_of(PRIVATE)(address) is private


def test_attempts_go_on_for_more_than_a_day_further_and_further_apart() -> None:
    """With a fifth of jitter either way, never beyond what a queue can hide."""
    least = [wait_after(number, chance=0.0) for number in range(1, MOST_ATTEMPTS)]
    most = [wait_after(number, chance=1.0) for number in range(1, MOST_ATTEMPTS)]
    assert len(least) == len(WAITS)
    assert sum(least) > 86_400 - 3_600
    assert sum(WAITS) > 86_400
    assert least == sorted(least)
    assert all(low < high for low, high in zip(least, most, strict=True))
    assert max(most) <= LONGEST_WAIT
    drawn = {wait_after(5) for _ in range(50)}
    assert len(drawn) > 5
    assert min(drawn) >= least[4]
    assert max(drawn) <= most[4]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Fri, 27 Nov 2026 12:00:30 GMT", 30.0),
        ("Fri, 27 Nov 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("٣", None),
        ("9" * 400, 999_999_999.0),
    ],
)
def test_retry_after_is_read(text: str, seconds: float | None) -> None:
    """Seconds or a date; nothing else, and nothing that raises."""
    assert retry_after(text, 1_795_780_800.0) == seconds


def test_receiver_that_asks_for_time_gets_it() -> None:
    """Up to what a queue can hide; it never makes us sooner."""
    assert wait_after(1, retry_after=600.0) == 600
    assert wait_after(1, retry_after=10.0**9) == LONGEST_WAIT
    assert wait_after(8, retry_after=1.0, chance=0.0) == wait_after(8, chance=0.0)


def test_signature_is_that_of_the_specifications_example() -> None:
    """Secret, id, time and body as Standard Webhooks prints them."""
    example = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}', secrets=[example], now=1614265330.9
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert written(example) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
