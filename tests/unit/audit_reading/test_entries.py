import json
from typing import Any

import pytest
from tests.fakes.audit_lines import audit_line, entry_of

from iron_proxy.audit_reading.entries import Entry, once_each, read_entries
from iron_proxy.audit_reading.sources import ReadingTally


def read(*lines: bytes) -> tuple[list[Entry], ReadingTally]:
    tally = ReadingTally()
    return [entry for entry, _ in read_entries(lines, tally)], tally


def test_both_envelopes_give_the_same_entry() -> None:
    fields: dict[str, Any] = {
        "host": "api.test", "method": "POST", "path": "/v1/x", "status_code": 201, "duration_ms": 1.5,
        "tunnel": {"target": "api.test:443"}, "ambiguous_path": True,
    }  # fmt: skip
    flat, nested = entry_of("seed", **fields), entry_of("v0.46", **fields)
    nested.audit = None

    everything = {name: getattr(flat, name) for name in flat.__struct_fields__}

    assert nested == Entry(**everything | {"response_transforms": None})
    assert nested.traces[0].action == "continue"


def test_an_event_keeps_its_fields_beside_a_group_named_audit() -> None:
    line = b'{"msg":"event","event":"audit","action":"lost","host":"h.test","audit":{"lines":3}}'

    (entry,), _ = read(line)

    assert (entry.event, entry.action, entry.host) == ("audit", "lost", "h.test")


@pytest.mark.parametrize("prefix", [b"proxy-1  | ", b"2026-11-25T01:41:05.078385Z ", b"Nov 25 01:41:05 vm proxy[7]: "])
def test_what_other_programs_put_before_a_line_is_left_out(prefix: bytes) -> None:
    (entry,), tally = read(prefix + audit_line(host="ok.test"))

    assert entry.host == "ok.test"
    assert tally.broken == 0


def test_lines_of_the_process_log_are_told_apart() -> None:
    entries, tally = read(
        b'{"time":"x","level":"INFO","msg":"http proxy starting","addr":"127.0.0.1:80"}',
        b'{"msg":"something else","host":["of","another","type"],"status_code":"x"}',
        b"", b"  \r",
    )  # fmt: skip

    assert entries == []
    assert (tally.other, tally.broken, tally.records) == (2, 0, 0)


@pytest.mark.parametrize(
    "line",
    [
        b"not JSON",
        b"{",
        b'{"msg":"request","host":7}',
        b'{"msg":"request","status_code":99999999999999999999}',
        b'{"msg":"request","status_code":-1}',
        b'{"msg":"request","duration_ms":1e999}',
        b'{"msg":"request","duration_ms":NaN}',
        b'{"msg":"request","host":"\xff"}',
        b'{"msg":"request","host":"a\x1b[31m"}',
        b'{"msg":"request","request_transforms":"none"}',
        b'{"msg":"request","request_transforms":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"x":' + b'{"x":' * 100_000,
        b'{"msg":"request","host":"\\ud800"}',
        b'{"msg":"request"} trailing',
        bytes(range(256)).replace(b"\n", b""),
    ],
)
def test_a_hostile_line_is_counted_and_no_more(line: bytes) -> None:
    entries, tally = read(line, audit_line())

    assert len(entries) == 1
    assert tally.broken == 1


def test_null_is_no_list_of_traces() -> None:
    (entry,), _ = read(b'{"msg":"request","request_transforms":null}')

    assert entry.traces == []


def test_of_two_records_of_a_request_the_closing_one_counts() -> None:
    opening = entry_of(request_id="s-1", phase="open", status_code=101)
    closing = entry_of(request_id="s-1", phase="close", status_code=101, duration_ms=5000.0)
    plain = entry_of(request_id="s-2")

    assert list(once_each([opening, plain, closing])) == [plain, closing]


def test_a_request_that_was_still_open_counts_by_its_opening() -> None:
    opening = entry_of(request_id="s-1", phase="open")

    assert list(once_each([opening])) == [opening]


def test_events_are_no_requests() -> None:
    (event,), _ = read(json.dumps({"msg": "event", "event": "dns", "action": "reject"}).encode())

    assert list(once_each([event])) == []
    assert not event.is_request


@pytest.mark.parametrize(
    ("peer", "address"), [("192.0.2.1:1000", "192.0.2.1"), ("[2001:db8::1]:1", "2001:db8::1"), ("", "")]
)
def test_the_clients_address_is_without_its_port(peer: str, address: str) -> None:
    assert entry_of(remote_addr=peer).client_address == address
