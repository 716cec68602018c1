"""Which scrubbers an exchange gets, and for how long they are kept."""

import logging

import pytest
from tests.unit.transforms.secrets.building import bearer, exchange_of, one_entry, replacing, send
from tests.unit.transforms.secrets.scrubbing_cases import REAL, entry_of, response_of, secret_of

from iron_proxy.pipeline.transform import RequestTransform
from iron_proxy.transforms.secrets.scrubbers import SentSecrets, watch


def test_what_has_gone_there_has_one_scrubber() -> None:
    sent, first, second = SentSecrets(), entry_of("A"), entry_of("B")
    secret = secret_of(b"first-secret")
    assert sent.scrubbers == ()

    sent.note(first, secret)
    before = sent.scrubbers
    sent.note(first, secret)
    assert sent.scrubbers is before
    sent.note(second, secret_of(b"other-secret"))

    assert len(before) == len(sent.scrubbers) == 1
    assert before[0].finds_nothing(response_of(b"other-secret"))
    assert not sent.scrubbers[0].finds_nothing(response_of(b"other-secret"))
    assert not sent.scrubbers[0].finds_nothing(response_of(b"first-secret"))


def test_a_secret_that_was_rotated_takes_its_redactor_along() -> None:
    sent, entry = SentSecrets(), entry_of()
    sent.note(entry, secret_of(b"first-secret"))

    sent.note(entry, secret_of(b"other-secret"))

    assert sent.scrubbers[0].finds_nothing(response_of(b"first-secret"))
    assert not sent.scrubbers[0].finds_nothing(response_of(b"other-secret"))


@pytest.mark.parametrize("value", [REAL, b"abc"], ids=["switched-off", "too-short"])
def test_what_is_not_scrubbed_has_none(value: bytes) -> None:
    sent = SentSecrets()

    sent.note(entry_of(redact=value != REAL), secret_of(value))

    assert sent.scrubbers == ()


def test_a_secret_that_is_not_scrubbed_everywhere_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    sent, entry = SentSecrets(), entry_of()

    with caplog.at_level(logging.WARNING, "iron_proxy.secrets"):
        sent.note(entry, secret_of(b"abc"))
        sent.note(entry, secret_of(b"abd"))

    assert [record.message for record in caplog.records] == [
        "secret is shorter than 4 bytes: responses are not scrubbed of it"
    ]
    assert caplog.records[0].__dict__["fields"] == {"secret": "OPENAI_API_KEY"}


def test_an_exchange_is_watched_once() -> None:
    sent, exchange = SentSecrets(), exchange_of((b"Range", b"bytes=0-9"))
    used = [(entry_of(), secret_of())]

    watch(exchange, sent, used)
    watch(exchange, sent, used)
    watch(exchange, sent)

    assert exchange.scrubbers == sent.scrubbers
    assert [*exchange.request.headers] == []


async def test_what_was_stored_is_not_fetched_by_a_request_without_a_token() -> None:
    transform = replacing("match_query: true")
    await send(transform, exchange_of(bearer()))
    fetching, elsewhere, other_port = exchange_of(), exchange_of(host="other.com"), exchange_of()
    other_port.request.target = other_port.request.target._replace(port=8443)

    for exchange in (fetching, elsewhere, other_port):
        await send(transform, exchange)

    assert [len(each.scrubbers) for each in (fetching, elsewhere, other_port)] == [1, 0, 1]
    assert not fetching.scrubbers[0].finds_nothing(response_of(b"sk-real-openai-key"))


INJECTING = one_entry("inject: {header: Authorization, formatter: 'Bearer {{ .Value }}'}")


@pytest.mark.parametrize(
    "transform", [replacing(), replacing("match_query: true"), INJECTING], ids=["shortcut", "general", "inject"]
)
async def test_an_exchange_that_used_a_secret_is_scrubbed_and_asks_for_no_coding(transform: RequestTransform) -> None:
    for _ in range(2):
        exchange = exchange_of(bearer(), (b"Accept-Encoding", b"gzip"))

        await send(transform, exchange)

        assert len(exchange.scrubbers) == 1
        assert exchange.request.headers.get(b"accept-encoding") == b"identity"


@pytest.mark.parametrize("keys", ["redact_responses: false", "redact_responses: false, require: false"])
async def test_switched_off_nothing_is_changed(keys: str) -> None:
    transform = replacing("match_query: true", top=keys.replace(", ", "\n            "))
    exchange = exchange_of(bearer(), (b"Accept-Encoding", b"gzip"))
    if "require" in keys:
        transform = replacing(top="redact_responses: false")

    await send(transform, exchange)

    assert exchange.scrubbers == ()
    assert exchange.request.headers.get(b"accept-encoding") == b"gzip"


async def test_an_exchange_that_used_no_secret_is_left_alone() -> None:
    exchange = exchange_of((b"Accept-Encoding", b"gzip"))

    await send(replacing(), exchange)

    assert exchange.scrubbers == ()
    assert exchange.request.headers.get(b"accept-encoding") == b"gzip"
