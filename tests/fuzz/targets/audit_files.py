"""Audit files, as the commands that read them get them from anybody."""

import io
from datetime import UTC, datetime

from tests.fuzz.targets.splits import splits

from iron_proxy.audit_reading.entries import once_each, read_entries
from iron_proxy.audit_reading.entry_line import pieces_of
from iron_proxy.audit_reading.lines import LineSplitter
from iron_proxy.audit_reading.selection import Selection, parse_since
from iron_proxy.audit_reading.sources import ReadingTally, read_lines
from iron_proxy.audit_reading.statistics import Statistics
from iron_proxy.config.loading import examine_config
from iron_proxy.learning.configuration_text import new_configuration
from iron_proxy.learning.denials import Denials
from iron_proxy.learning.observations import Observations
from iron_proxy.learning.rule_text import rules_lines
from iron_proxy.learning.rules import learned_rules
from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.runtime.assemble import build_pipeline

_NOW = datetime(2026, 11, 25, tzinfo=UTC)


def check_told(wire: bytes) -> None:
    """It is read to its end in printable text, the same lines at every split, and packed as well as not."""
    splitter, tally = LineSplitter(), ReadingTally()
    lines = [*splitter.feed(wire), *splitter.end()]
    for pieces in splits(wire):
        again = LineSplitter()
        assert [*(line for piece in pieces for line in again.feed(piece)), *again.end()] == lines
    statistics, denials = Statistics("client"), Denials()
    selection = Selection(host=HostPattern.parse("*"), since=parse_since("1970-01-01", _NOW))

    for entry, _ in read_entries(lines, tally):
        assert all(text.isprintable() for text, _ in pieces_of(entry))
        selection.takes(entry)
        statistics.add(entry)
        denials.take(entry)
    assert all(line.isprintable() for denial in denials.most_first() for line in rules_lines(denial.rules()))
    _check_piped(wire)


def check_learned(wire: bytes) -> None:
    """What is learned of it is a configuration without errors."""
    observations = Observations(include_denied=True)
    for entry in once_each(entry for entry, _ in read_entries(wire.split(b"\n"), ReadingTally())):
        observations.take(entry)
    text = new_configuration(learned_rules(observations).rules, [])

    config, problems = examine_config("x", {}, lambda _: text.encode())

    build_pipeline(config, {})
    assert problems.errors == []


def _check_piped(wire: bytes) -> None:
    piped = io.BufferedReader(io.BytesIO(wire))
    tally = ReadingTally()
    list(read_entries(read_lines(["-"], lambda: piped, tally), tally))  # type: ignore[arg-type, return-value]
