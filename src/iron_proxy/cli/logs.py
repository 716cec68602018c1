"""
`iron-proxy logs [FILE…|-]`: audit records as lines, as figures, or as the denials and the rules that would end them.

What is read and counted is `audit_reading/` and `learning/denials.py`; here are the flags, the printing and the exit
status: 0 read, 1 a file cannot be read, 2 wrong flags. Called by `cli/main.py`.
"""

import json
import re
import select
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from iron_proxy.cli.arguments import read_files_and_flags
from iron_proxy.cli.audit_files import NO_FILES, console, file_sentence, leave_broken_pipe, read_files, tell_unread
from iron_proxy.cli.complaints import complain
from iron_proxy.cli.main import FAILURE, OK, USAGE
from iron_proxy.go_compat.flags import Flag, FlagSet, ParsedFlags

if TYPE_CHECKING:                                # heavy: not for a usage error
    from rich.console import Console

    from iron_proxy.audit_reading.entries import Entry
    from iron_proxy.audit_reading.follow import FollowedFile
    from iron_proxy.audit_reading.selection import Selection
    from iron_proxy.audit_reading.sources import ReadingTally

FLAGS = FlagSet(
    "logs [FILE…|-]",
    [
        Flag("follow", False, "go on with what is written to the files, across their rotation, until Ctrl-C"),
        Flag("denied", False, "only what was denied, together with the rules that would allow it"),
        Flag("host", "", "only this host: a name, *.DOMAIN or another host pattern", "PATTERN"),
        Flag("client", "", "only this client, by name or address", "NAME"),
        Flag("since", "", "only from then on: 2026-11-25T01:41:05Z, 2026-11-25, or 90m for 90 minutes ago", "TIME"),
        Flag("stats", False, "figures for each host in place of lines"),
        Flag("by", "host", "what -stats counts by: host, client or status", "KEY"),
        Flag("json", False, "records as JSON lines; with -stats and -denied one JSON object"),
        Flag("no-color", False, "print without colours"),
    ],
)
# In JSON it stands in strings only.
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
# Short enough that nobody waits, long enough to cost nothing.
_LOOK_SECONDS = 0.25
_STYLES = {
    "time": "dim", "figures": "dim", "client": "cyan", "mark": "magenta", "reason": "yellow",
    "allow": "green", "stub": "green", "reject": "red", "error": "bold red",
}  # fmt: skip


def run(arguments: list[str]) -> int:
    """Show audit records; returns the exit status."""
    read = read_files_and_flags(FLAGS, arguments, NO_FILES)
    if isinstance(read, int):
        return read
    files, flags = read
    try:
        selection = _selection(flags)
        _check(flags, files)
    except ValueError as error:
        return complain(error, status=USAGE)
    try:
        return _show(files, flags, selection)
    except BrokenPipeError:
        leave_broken_pipe()
    except KeyboardInterrupt:                    # how -follow ends
        pass
    except OSError as error:
        return complain(file_sentence(error), status=FAILURE)
    return OK


def _check(flags: ParsedFlags, files: tuple[str, ...]) -> None:
    from iron_proxy.audit_reading.statistics import GROUPINGS

    if flags.text("by") not in GROUPINGS:
        raise ValueError(f"-by is one of {', '.join(GROUPINGS)}; got \"{flags.text('by')}\"")
    if flags.boolean("follow") and (flags.boolean("stats") or "by" in flags.given):
        raise ValueError("-stats has an end, -follow has none; leave one of them out")
    if flags.boolean("follow") and "-" in files:
        raise ValueError("standard input is read until it ends anyway; leave -follow out")
    if flags.boolean("stats") and flags.boolean("denied"):
        raise ValueError("-stats counts what was denied anyway; leave -denied out")


def _selection(flags: ParsedFlags) -> "Selection":
    from iron_proxy.audit_reading.selection import Selection, parse_since
    from iron_proxy.matching.host_patterns import HostPattern

    host, since = flags.text("host"), flags.text("since")
    return Selection(
        denied_only=flags.boolean("denied"),
        host=HostPattern.parse(host) if host else None,
        client=flags.text("client"),
        since=parse_since(since, datetime.now(UTC)) if since else None,
    )


def _show(files: tuple[str, ...], flags: ParsedFlags, selection: "Selection") -> int:
    from iron_proxy.audit_reading.sources import ReadingTally

    tally = ReadingTally()
    if flags.boolean("follow"):
        entries = _followed(files, tally)
    else:
        entries = read_files(files, tally)
    wanted = ((entry, line) for entry, line in entries if selection.takes(entry))
    if flags.boolean("stats") or "by" in flags.given:
        _print_statistics((entry for entry, _ in wanted), flags)
    elif flags.boolean("denied") and not flags.boolean("follow"):
        _print_denials((entry for entry, _ in wanted), flags)
    elif flags.boolean("json"):
        _print_json_lines(line for _, line in wanted)
    else:
        _print_lines((entry for entry, _ in wanted), console(is_plain=flags.boolean("no-color")))
    sys.stdout.flush()
    tell_unread(tally)
    return OK


# --- following ------------------------------------------------------------------------------------------------------


def _followed(files: tuple[str, ...], tally: "ReadingTally") -> "Iterator[tuple[Entry, bytes]]":
    from iron_proxy.audit_reading.entries import read_entries
    from iron_proxy.audit_reading.follow import FollowedFile

    followed = [FollowedFile(path) for path in files]
    try:
        yield from read_entries(_lines_as_they_come(followed), tally)
    finally:
        for file in followed:
            tally.too_long += file.too_long
            file.close()


def _lines_as_they_come(followed: "list[FollowedFile]") -> Iterator[bytes]:
    while True:
        lines = [line for file in followed for line in file.lines()]
        yield from lines
        if not lines:
            sys.stdout.flush()
            select.select([], [], [], _LOOK_SECONDS)


# --- lines ----------------------------------------------------------------------------------------------------------


def _print_lines(entries: "Iterable[Entry]", output: "Console") -> None:
    from rich.text import Text

    from iron_proxy.audit_reading.entry_line import pieces_of

    if output.color_system is None:              # many times as fast, for a file or a pipe
        for entry in entries:
            sys.stdout.write("".join(text for text, _ in pieces_of(entry)).rstrip() + "\n")
        return
    for entry in entries:
        line = Text.assemble(*((text, _STYLES.get(style, "")) for text, style in pieces_of(entry)))
        output.print(line, soft_wrap=True)


def _print_json_lines(lines: Iterable[bytes]) -> None:
    """Each on one line and in ASCII, so that it does to a terminal what JSON does: nothing."""
    for line in lines:
        text = line.strip().decode("utf-8", "replace")
        sys.stdout.write(_NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text) + "\n")


# --- figures --------------------------------------------------------------------------------------------------------


def _print_statistics(entries: "Iterable[Entry]", flags: ParsedFlags) -> None:
    from iron_proxy.audit_reading.statistics import Statistics

    statistics = Statistics(flags.text("by"))
    for entry in entries:
        statistics.add(entry)
    rows = [
        {
            statistics.by: group,
            "requests": figures.requests,
            "allowed": figures.allowed,
            "denied": figures.denied,
            "failed": figures.failed,
            "bytes_from_client": figures.bytes_from_client,
            "bytes_from_upstream": figures.bytes_from_upstream,
            "p50_ms": round(figures.durations.percentile(0.5), 3),
            "p95_ms": round(figures.durations.percentile(0.95), 3),
        }
        for group, figures in statistics.most_first()
    ]
    if flags.boolean("json"):
        print(json.dumps({"first": statistics.first, "last": statistics.last, "groups": rows}, indent=2))
    else:
        _print_figures(rows, statistics.first, statistics.last, console(is_plain=flags.boolean("no-color")))


def _print_figures(rows: list[dict[str, Any]], first: str, last: str, output: "Console") -> None:
    from rich.table import Table
    from rich.text import Text

    from iron_proxy.audit_reading.entry_line import duration_text
    from iron_proxy.audit_reading.terminal_text import escaped

    if not rows:
        output.print("No requests.")
        return
    table = Table()
    for index, heading in enumerate((next(iter(rows[0])), *_HEADINGS)):
        table.add_column(heading, overflow="fold", justify="right" if index else "left")
    for row in rows:
        group, requests, allowed, denied, failed, sent, received, half, most = row.values()
        cells = [str(requests), str(allowed), str(denied), str(failed), _size(sent), _size(received)]
        cells += [duration_text(half), duration_text(most)]
        table.add_row(Text(escaped(str(group)), "red" if denied or failed else ""), *map(Text, cells))
    output.print(table)
    total = sum(row["requests"] for row in rows)
    output.print(f"{total} requests, {escaped(first)} to {escaped(last)}")


_HEADINGS = ("requests", "allowed", "denied", "failed", "sent", "received", "p50", "p95")
_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def _size(count: int) -> str:
    return next((f"{count / size:.1f} {unit}" for unit, size in _UNITS if count >= size), f"{count} B")


# --- denials --------------------------------------------------------------------------------------------------------


def _print_denials(entries: "Iterable[Entry]", flags: ParsedFlags) -> None:
    from iron_proxy.audit_reading.entries import once_each
    from iron_proxy.learning.denials import Denials

    denials = Denials()
    for entry in once_each(entries):
        denials.take(entry)
    if flags.boolean("json"):
        _print_denials_as_json(denials)
        return
    output = console(is_plain=flags.boolean("no-color"))
    if not denials.most_first():
        output.print("Nothing was denied.")
    for denial in denials.most_first():
        _print_denial(denial, output)
    if denials.omitted:
        output.print(f"{denials.omitted} more requests were denied, of yet other hosts or for other reasons.")


def _print_denial(denial: Any, output: "Console") -> None:
    from rich.text import Text

    from iron_proxy.audit_reading.terminal_text import escaped
    from iron_proxy.learning.rule_text import counted, rules_lines

    who = f", client {escaped(denial.client)}" if denial.client else ""
    by = f" ({escaped(denial.rejected_by)})" if denial.rejected_by else ""
    host = escaped(denial.host) or "(no host)"
    output.print(Text.assemble((host, "bold red"), f"  {counted(denial.requests, 'request')}{who}"), soft_wrap=True)
    output.print(Text(f"  {escaped(denial.reason)}{by}; last {escaped(denial.last)}", "yellow"), soft_wrap=True)
    rules = denial.rules()
    if not rules:
        output.print(Text("  no rule of an allowlist would change that", "dim"))
    for line in list(rules_lines(rules))[1:] if rules else ():
        output.print(Text(f"  {line}"), soft_wrap=True)


def _print_denials_as_json(denials: Any) -> None:
    from iron_proxy.learning.rule_text import rules_as_json

    told = [
        {
            "host": each.host, "client": each.client, "rejected_by": each.rejected_by, "reason": each.reason,
            "requests": each.requests, "first": each.first, "last": each.last,
            "rules": [rule["rule"] for rule in rules_as_json(each.rules())],
        }
        for each in denials.most_first()
    ]  # fmt: skip
    print(json.dumps({"denials": told, "omitted": denials.omitted}, indent=2))
