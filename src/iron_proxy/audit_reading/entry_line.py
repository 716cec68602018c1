"""
One record as one line for people: when, what became of it, what was asked for, and why or what was done to it.

In pieces with a style each; a style is a name that `cli/` gives a colour. Everything in them is fit for a terminal.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from iron_proxy.audit_reading.entries import Entry, TransformTrace
from iron_proxy.audit_reading.terminal_text import escaped

# `2026-11-25T01:41:05.078` of a time; what an unreadable one shows is not for reading anyway.
_TIME_CHARACTERS = 23
_MAX_SHORT = 40
_MAX_MARKED = 5
# What transforms say on a request and a response that is worth a word in the line.
_NAMED_LISTS = ("swapped", "injected", "redacted", "honeytoken", "token_misuse")

Piece = tuple[str, str]


def pieces_of(entry: Entry) -> Iterator[Piece]:
    """The line, in pieces of (text, style); joined they are the line."""
    yield f"{escaped(entry.time[:_TIME_CHARACTERS], _MAX_SHORT).replace('T', ' '):<{_TIME_CHARACTERS}}  ", "time"
    yield f"{escaped(entry.action, _MAX_SHORT):<7}", _style_of(entry)
    if entry.is_request:
        yield f"  {escaped(entry.method, _MAX_SHORT) or _kind_of(entry):<7} ", ""
        yield escaped(entry.host) + escaped(entry.path), ""
        yield f"  {entry.status_code}  {duration_text(entry.duration_ms)}", "figures"
    else:
        yield f"  {escaped(entry.event, _MAX_SHORT):<7} ", ""
        yield escaped(entry.host), ""
    if entry.phase:
        yield f"  ({escaped(entry.phase, _MAX_SHORT)})", "figures"
    who = entry.client or (entry.client_address if not entry.is_request else "")
    if who:
        yield f"  client {escaped(who, _MAX_SHORT)}", "client"
    for mark in marks_of(entry):
        yield f"  [{mark}]", "mark"
    reason = entry.reason or entry.error
    if reason:
        yield f"  {escaped(reason)}", "reason"
    if entry.rejected_by:
        yield f" ({escaped(entry.rejected_by, _MAX_SHORT)})", "reason"


def marks_of(entry: Entry) -> Iterator[str]:
    """What was done to the request or its answer: `swapped OPENAI_API_KEY`, `redacted ...`, `warn`."""
    for trace in (*entry.traces, *(entry.response_transforms or ())):
        yield from _marks_of_trace(trace)


def duration_text(milliseconds: float) -> str:
    """`0.4 ms`, `142 ms`, `5.1 s`."""
    if milliseconds < 10:
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _marks_of_trace(trace: TransformTrace) -> Iterator[str]:
    notes = trace.annotations
    if not notes:
        return
    if notes.get("action") == "warn":
        yield "warn: no rule"
    for key in _NAMED_LISTS:
        rows = notes.get(key)
        if isinstance(rows, list) and rows:
            names = list(dict.fromkeys(_names_in(rows)))
            more = ", …" if len(names) > _MAX_MARKED else ""
            yield f"{key.replace('_', ' ')} {', '.join(names[:_MAX_MARKED])}{more}".strip()


def _names_in(rows: Iterable[Any]) -> Iterator[str]:
    for row in rows:
        name = row.get("secret", row.get("name", "")) if isinstance(row, dict) else row
        if isinstance(name, str) and name:
            yield escaped(name, _MAX_SHORT)


def _kind_of(entry: Entry) -> str:
    return "TLS" if entry.mode != "mitm" else "-"


def _style_of(entry: Entry) -> str:
    return entry.action if entry.action in ("allow", "reject", "error", "stub") else "other"
