"""Who may call: the key in one spelling only, no pages of other sites, and guesses that are slowed."""

import hashlib

import pytest
from starlette.datastructures import Headers

from iron_proxy.management.access import FAILURES_AT_ONCE, SECONDS_PER_FAILURE, Access

KEY = "k" * 20


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def access(clock: Clock | None = None, *, is_loopback: bool = False) -> Access:
    digest = hashlib.sha256(KEY.encode()).digest()
    return Access(lambda: digest, is_loopback=is_loopback, clock=clock or Clock())


def status(judge: Access, *fields: tuple[str, str], address: str = "192.0.2.1", host: str = "proxy:9092") -> int:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in (("host", host), *fields)]
    refusal = judge.refusal(Headers(raw=raw), address)
    return 200 if refusal is None else refusal.status


RIGHT = ("authorization", f"Bearer {KEY}")


@pytest.mark.parametrize(
    "value", [f"Basic {KEY}", f"bearer {KEY}", f"Bearer {KEY}x", f"Bearer {KEY[1:]}", KEY, "Bearer ", "", "B\xe9 é"]
)
def test_a_key_in_any_other_spelling_is_wrong(value: str) -> None:
    assert status(access(), ("authorization", value)) == 401


def test_the_right_key_once_is_right_and_twice_is_not() -> None:
    assert status(access(), RIGHT) == 200
    assert status(access(), RIGHT, RIGHT) == 401
    assert status(access()) == 401


def test_failures_run_out_and_come_back_one_by_one() -> None:
    clock = Clock()
    judge = access(clock)
    wrong = ("authorization", "Bearer no")
    assert [status(judge, wrong) for _ in range(FAILURES_AT_ONCE + 1)] == [401] * FAILURES_AT_ONCE + [429]
    assert status(judge, RIGHT) == 429

    clock.now += SECONDS_PER_FAILURE
    assert status(judge, wrong) == 401
    assert status(judge, wrong) == 429
    clock.now += SECONDS_PER_FAILURE
    assert status(judge, RIGHT) == 200


def test_failures_count_for_their_address_and_for_the_network_of_it() -> None:
    judge = access()
    for number in range(FAILURES_AT_ONCE):
        status(judge, ("authorization", "Bearer no"), address=f"2001:db8::{number}")

    assert status(judge, RIGHT, address="2001:db8::ffff") == 429
    assert status(judge, RIGHT, address="2001:db8:1::1") == 200
    assert status(judge, RIGHT, address="192.0.2.9") == 200


def test_a_mapped_address_is_the_address() -> None:
    judge = access()
    for _ in range(FAILURES_AT_ONCE):
        status(judge, ("authorization", "Bearer no"), address="::ffff:192.0.2.1")

    assert status(judge, RIGHT, address="192.0.2.1") == 429
    assert status(judge, RIGHT, address="::ffff:192.0.2.2") == 200


@pytest.mark.slow
def test_what_is_remembered_is_bounded() -> None:
    judge = access()
    for number in range(5000):
        status(judge, ("authorization", "Bearer no"), address=f"10.0.{number // 256}.{number % 256}")

    assert len(judge._failures._forgiven_at) == 4096


@pytest.mark.parametrize(
    ("name", "value"),
    [("origin", "https://evil.test"), ("origin", "null"), ("sec-fetch-site", "cross-site"), ("origin", "http://[x")],
)
def test_a_page_of_another_site_is_refused_and_costs_no_try(name: str, value: str) -> None:
    judge = access()

    assert {status(judge, ("authorization", "Bearer no"), (name, value)) for _ in range(20)} == {403}
    assert status(judge, RIGHT) == 200


def test_the_listeners_own_page_may() -> None:
    own = ("origin", "http://proxy:9092"), ("sec-fetch-site", "same-origin")

    assert status(access(), RIGHT, *own) == 200


@pytest.mark.parametrize("host", ["127.0.0.1:9092", "localhost", "[::1]:9092", "LOCALHOST:1", "10.1.1.1"])
def test_on_loopback_addresses_and_its_names_are_served(host: str) -> None:
    assert status(access(is_loopback=True), RIGHT, host=host) == 200


@pytest.mark.parametrize("host", ["evil.test", "", "localhost.evil.test", "[::1", "127.0.0.1.evil.test"])
def test_on_loopback_no_other_name_is(host: str) -> None:
    assert status(access(is_loopback=True), RIGHT, host=host) == 403
