"""Watchers get what fits, are told what did not, and cost nothing when they are gone."""

import gc

import pytest

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.record import EventRecord
from iron_proxy.management import audit_feed as module
from iron_proxy.management.audit_feed import MAX_WATCHERS, AuditFeed, TooManyWatchers
from iron_proxy.secret_sources.source import Secret


def record(host: str = "a.test") -> EventRecord:
    return EventRecord(time="t", level="INFO", event="handshake", action="allow", host=host)


@pytest.fixture
def audit() -> AuditEmitter:
    return AuditEmitter(seed_envelope, lambda line: None)


def emit(audit: AuditEmitter, record: EventRecord) -> None:
    """One record at the end of a turn."""
    audit.emit(record)
    audit.flush()


async def test_a_record_is_one_event_with_a_number(audit: AuditEmitter) -> None:
    watcher = AuditFeed(audit).open()
    emit(audit, record())
    emit(audit, record("<script>.test"))

    first, second, rest = watcher.take().split(b"\n\n")

    assert first.startswith(b'id: 1\ndata: {"time":"t"')
    assert second.startswith(b"id: 2\n")
    assert b"<script>.test" in second
    assert rest == b""
    assert not watcher.arrived.is_set()


async def test_who_does_not_take_loses_records_and_is_told_how_many(
    audit: AuditEmitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED", 2)
    feed = AuditFeed(audit)
    slow, quick = feed.open(), feed.open()
    for _ in range(5):
        emit(audit, record())
        assert quick.take().count(b"data: ") == 1

    content = slow.take()

    assert content.count(b'"event":"handshake"') == 2
    assert content.endswith(b'event: dropped\ndata: {"count":3}\n\n')
    assert slow.take() == b""


async def test_bytes_are_bounded_too(audit: AuditEmitter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED_BYTES", 1000)
    watcher = AuditFeed(audit).open()
    emit(audit, record("x" * 2000))

    assert watcher.take() == b'event: dropped\ndata: {"count":1}\n\n'


async def test_much_is_taken_in_parts(audit: AuditEmitter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_TAKEN_BYTES", 1)
    watcher = AuditFeed(audit).open()
    emit(audit, record())
    emit(audit, record())

    assert [watcher.take().count(b"data: ") for _ in range(3)] == [1, 1, 0]


async def test_nothing_is_encoded_when_nobody_watches(audit: AuditEmitter) -> None:
    feed = AuditFeed(audit)
    first, second = feed.open(), feed.open()
    feed.close(first)
    emit(audit, record())
    feed.close(second)
    feed.close(second)

    assert second.take().startswith(b"id: 1\n")
    assert not audit._sinks
    emit(audit, record())
    assert feed.open().take() == b""


async def test_there_are_not_too_many(audit: AuditEmitter) -> None:
    feed = AuditFeed(audit)
    for _ in range(MAX_WATCHERS):
        feed.open()

    with pytest.raises(TooManyWatchers):
        feed.open()


async def test_a_secret_is_masked_here_as_well(audit: AuditEmitter) -> None:
    secret = Secret("NAME", "a-real-secret-value")
    watcher = AuditFeed(audit).open()
    emit(audit, record("a-real-secret-value"))

    assert b"[masked:NAME]" in watcher.take()
    del secret
    gc.collect()
