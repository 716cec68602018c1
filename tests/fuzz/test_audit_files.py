"""Whatever an audit file holds: it is read to its end, told in printable text, and learned without an exception."""

import asyncio
import io
import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.audit_lines import audit_line

from iron_proxy.audit_reading.entries import once_each, read_entries
from iron_proxy.audit_reading.entry_line import pieces_of
from iron_proxy.audit_reading.lines import LineSplitter
from iron_proxy.audit_reading.selection import Selection, parse_since
from iron_proxy.audit_reading.sources import ReadingTally, read_lines
from iron_proxy.audit_reading.statistics import Statistics
from iron_proxy.cli.audit_files import judge_of
from iron_proxy.config.loading import examine_config
from iron_proxy.learning.configuration_text import new_configuration
from iron_proxy.learning.denials import Denials
from iron_proxy.learning.observations import Observations
from iron_proxy.learning.rule_text import rules_lines
from iron_proxy.learning.rules import learned_rules
from iron_proxy.learning.verification import proof_of
from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.runtime.assemble import build_pipeline

_NOW = datetime(2026, 11, 25, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "msg", "time", "host", "method", "path", "action", "status_code", "duration_ms", "rejected_by", "reason", "client",
    "remote_addr", "sni", "mode", "tunnel", "original_destination", "request_transforms", "audit", "phase",
    "request_id", "ambiguous_path", "bytes_from_client",
]  # fmt: skip
PATHS = ["/", "*", "", "/a%2fb", "/x\r\ny", "/{{ }}", "/*", "/?*", "/[", "/\\", "/%41", "/users/1", "/users/2", "/a#b"]


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A record with some fields that are something else; now and then with bytes changed, or no record at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=60)) + b"\n"
    record: dict[str, Any] = json.loads(audit_line(path=draw(st.sampled_from(PATHS) | texts.map("/".__add__))))
    record["method"] = draw(st.sampled_from(["GET", "CONNECT", "", "*", "get", "\x1b"]))
    record["host"] = draw(st.sampled_from(["ok.test", "ok.test:443", "[::1]:443", "a:b", "\x1b[31m"]) | texts)
    record["action"] = draw(st.sampled_from(["allow", "reject", "error", "stub", "client_cancel"]) | texts)
    for field in draw(st.lists(st.sampled_from(FIELDS), max_size=3)):
        record[field] = draw(values | texts)
    line = bytearray(json.dumps(record, ensure_ascii=draw(st.booleans())).encode() + b"\n")
    if draw(st.integers(0, 5)) == 0:
        line[draw(st.integers(0, len(line) - 1))] = draw(st.integers(0, 255))
    return bytes(line)


@given(st.lists(lines(), max_size=12).map(b"".join))
def test_a_hostile_file_is_read_and_told(data: bytes) -> None:
    splitter = LineSplitter()
    tally, statistics, denials = ReadingTally(), Statistics("client"), Denials()
    selection = Selection(host=HostPattern.parse("*"), since=parse_since("1970-01-01", _NOW))

    entries = [entry for entry, _ in read_entries([*splitter.feed(data), *splitter.end()], tally)]

    for entry in entries:
        assert all(text.isprintable() for text, _ in pieces_of(entry))
        selection.takes(entry)
        statistics.add(entry)
        denials.take(entry)
    assert all(line.isprintable() for denial in denials.most_first() for line in rules_lines(denial.rules()))
    assert tally.records == len(entries)


@given(st.lists(lines(), max_size=12).map(b"".join))
def test_a_hostile_file_is_learned_from(data: bytes) -> None:
    observations = Observations(include_denied=True)
    for entry in once_each(entry for entry, _ in read_entries(data.split(b"\n"), ReadingTally())):
        observations.take(entry)

    text = new_configuration(learned_rules(observations).rules, [])

    config, problems = examine_config("x", {}, lambda _: text.encode())
    pipeline = build_pipeline(config, {})
    assert problems.errors == []
    assert [each for each in problems.warnings if "every request is rejected" not in each] == []
    assert asyncio.run(proof_of(observations, judge_of(config, pipeline))).not_covered == 0


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_file(data: bytes, is_packed: bool) -> None:
    piped = io.BufferedReader(io.BytesIO((b"\x1f\x8b" if is_packed else b"") + data))
    tally = ReadingTally()

    list(read_entries(read_lines(["-"], lambda: piped, tally), tally))  # type: ignore[arg-type, return-value]
