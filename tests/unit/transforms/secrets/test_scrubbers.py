"""Which scrubbers an exchange gets, and for how long they are kept."""

import logging

import pytest
from tests.fakes.collector import left_to_the_collector
from tests.fakes.secret_source import FakeSource
from tests.unit.transforms.secrets.building import bearer, exchange_of, one_entry, replacing, send, transform_from
from tests.unit.transforms.secrets.scrubbing_cases import TOKEN, entry_of, response_of, secret_of

from iron_proxy.matching.rule import Rule
from iron_proxy.pipeline.transform import RequestTransform
from iron_proxy.secret_sources.environment import EnvironmentSource
from iron_proxy.transforms.secrets import redact
from iron_proxy.transforms.secrets.entries import Entry, Replacement
from iron_proxy.transforms.secrets.scrubbers import SentLedger, SentSecrets, watch
from iron_proxy.transforms.secrets.transform import SecretsTransform


def sent_of(*entries: Entry, ledger: SentLedger | None = None) -> SentSecrets:
    return (ledger or SentLedger()).of(frozenset(entries))


def finds(sent: SentSecrets, content: bytes) -> bool:
    (scrubber,) = sent.scrubbers
    return not scrubber.finds_nothing(response_of(content))


def test_what_has_gone_there_has_one_scrubber_which_learns() -> None:
    first, second = entry_of("A"), entry_of("B")
    sent, secret = sent_of(first, second), secret_of(b"first-secret")
    assert not finds(sent, b"first-secret")

    sent.note(first, secret)
    before, redactor = sent.scrubbers, sent.redactor
    sent.note(first, secret)
    assert sent.redactor is redactor
    assert [finds(sent, b"first-secret"), finds(sent, b"other-secret")] == [True, False]
    sent.note(second, secret_of(b"other-secret"))

    assert sent.scrubbers is before
    assert [finds(sent, b"first-secret"), finds(sent, b"other-secret")] == [True, True]


def test_what_has_gone_to_one_host_is_known_to_all_that_the_entry_applies_to() -> None:
    ledger, shared, other = SentLedger(), entry_of("A"), entry_of("B")
    both, one, none = (sent_of(*entries, ledger=ledger) for entries in ([shared, other], [shared], [other]))

    both.note(shared, secret_of(b"first-secret"))
    later = sent_of(shared, entry_of("C"), ledger=ledger)

    assert [finds(each, b"first-secret") for each in (both, one, none, later)] == [True, True, False, True]


def test_of_a_secret_that_is_rotated_the_last_four_values_are_known() -> None:
    entry = entry_of()
    sent, values = sent_of(entry), [b"%d-secret-value" % number for number in range(6)]

    for value in values:
        sent.note(entry, secret_of(value))

    assert [finds(sent, value) for value in values] == [False, False, True, True, True, True]
    assert sent.redactor.secrets[0].natural.keys() & {values[-1]}


def test_what_is_at_hand_may_have_been_sent_before_the_process_began() -> None:
    entry = Entry(EnvironmentSource("K", {"K": "value-in-the-environment"}), (), Replacement(b"token-of-k"))

    assert finds(sent_of(entry), b"value-in-the-environment")


def test_a_secret_is_spelled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key file takes some milliseconds, for which nobody is served."""
    spelled: list[bytes] = []

    def spell(secret: bytes, *_: object, **__: object) -> dict[bytes, bytes]:
        spelled.append(secret)
        return {}

    monkeypatch.setattr(redact, "spellings_of", spell)
    entries = [entry_of(name) for name in "ABC"]
    sent = sent_of(*entries)

    for entry in entries:
        sent.note(entry, secret_of(entry.name.encode() + b"-secret"))
        assert sent.redactor is sent.redactor

    assert spelled == [b"A-secret", b"B-secret", b"C-secret"]


def test_where_no_entry_wants_it_there_is_none() -> None:
    entry = entry_of(redact=False)
    sent = sent_of(entry)

    sent.note(entry, secret_of())

    assert (sent.scrubbers, sent_of().scrubbers) == ((), ())


def test_a_secret_that_is_not_scrubbed_everywhere_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    entry = entry_of()
    sent = sent_of(entry)

    with caplog.at_level(logging.WARNING, "iron_proxy.secrets"):
        sent.note(entry, secret_of(b"abc"))
        sent.note(entry, secret_of(b"abd"))

    assert [record.message for record in caplog.records] == [
        "secret is shorter than 4 bytes: responses are not scrubbed of it"
    ]
    assert caplog.records[0].__dict__["fields"] == {"secret": "OPENAI_API_KEY"}


def test_an_exchange_is_watched_once() -> None:
    entry, exchange = entry_of(), exchange_of((b"Range", b"bytes=0-9"))
    sent, used = sent_of(entry), [(entry, secret_of())]

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


async def test_an_answer_that_begins_before_a_secret_is_sent_can_be_looked_into() -> None:
    source, first = FakeSource("K", "value-of-the-secret"), exchange_of((b"Accept-Encoding", b"gzip"))
    entry = Entry(source, (Rule.for_host("api.openai.com"),), Replacement(TOKEN))
    transform = SecretsTransform([entry])

    await send(transform, first)
    assert first.scrubbers[0].finds_nothing(response_of(b"value-of-the-secret"))
    await send(transform, exchange_of((b"A", TOKEN)))

    assert first.request.headers.get(b"accept-encoding") == b"identity"
    assert not first.scrubbers[0].finds_nothing(response_of(b"value-of-the-secret"))


async def test_where_no_secret_may_go_an_exchange_is_left_alone() -> None:
    exchange = exchange_of((b"Accept-Encoding", b"gzip"), host="other.com")

    await send(replacing(), exchange)

    assert exchange.scrubbers == ()
    assert exchange.request.headers.get(b"accept-encoding") == b"gzip"


async def test_one_that_is_not_scrubbed_leaves_the_others_readable() -> None:
    yaml = """
      - source: {type: env, var: ONE}
        redact_responses: false
        rules: [{host: api.openai.com}]
        replace: {proxy_value: token-of-one}
      - source: {type: env, var: OTHER}
        rules: [{host: api.openai.com}]
        replace: {proxy_value: token-of-other}
    """
    transform = transform_from("secrets:" + yaml, {"ONE": "value-of-one", "OTHER": "value-of-other"})
    exchange = exchange_of((b"A", b"token-of-one"), (b"Range", b"bytes=0-1"))

    await send(transform, exchange)

    assert exchange.request.headers.pairs == [(b"A", b"value-of-one")]
    assert exchange.scrubbers[0].finds_nothing(response_of(b"value-of-one"))
    assert not exchange.scrubbers[0].finds_nothing(response_of(b"value-of-other"))


def test_what_was_sent_by_a_configuration_that_is_gone_is_not_left_to_the_collector() -> None:
    entry, secret = entry_of("A"), secret_of(b"first-secret")

    def send_and_forget() -> None:
        sent = sent_of(entry)
        sent.note(entry, secret)
        assert finds(sent, b"first-secret")

    assert left_to_the_collector(send_and_forget) == 0
