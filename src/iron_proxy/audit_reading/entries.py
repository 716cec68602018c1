"""
One line → one record, in either envelope; whatever else stands in the file is told apart and counted.

What a line says is data of unknown origin: types are checked by msgspec, and no text is fit for a terminal before
`terminal_text.py` has seen it. Called by `cli/` and by whoever makes rules or verdicts of records. Pure.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from msgspec import Meta, MsgspecError, Struct, ValidationError, json

from iron_proxy.audit_reading.sources import ReadingTally

# `docker compose logs` and the journal put a name and a time before each line.
_MAX_PREFIX = 200
# Requests that go on at once; more than a proxy has connections.
_MAX_OPEN = 50_000

Count = Annotated[int, Meta(ge=0, le=2**53)]
Status = Annotated[int, Meta(ge=0, le=9999)]


class TransformTrace(Struct):
    """What one transform did. `action` is `continue` where it let the request pass, in both envelopes."""

    name: str = ""
    action: str = ""
    annotations: dict[str, Any] | None = None
    error: str = ""


class TunnelTrace(Struct):
    """The opening that a request came in by."""

    target: str = ""


class _UpstreamGroup(Struct):
    """What the v0.46 envelope puts under `audit`."""

    host: str = ""
    method: str = ""
    path: str = ""
    remote_addr: str = ""
    sni: str = ""
    mode: str = "mitm"
    action: str = ""
    status_code: Status = 0
    duration_ms: float = 0.0


class Entry(Struct):
    """A record that was read. Fields that the line does not have are empty; an event has no method and no status."""

    msg: str = ""
    time: str = ""
    level: str = ""
    event: str = ""
    request_id: str = ""
    phase: str = ""                            # `open` and `close` of a request that leaves two records
    host: str = ""
    method: str = ""
    path: str = ""
    action: str = ""
    status_code: Status = 0
    duration_ms: float = 0.0
    rejected_by: str = ""
    stubbed_by: str = ""
    reason: str = ""
    error: str = ""
    remote_addr: str = ""
    client: str = ""
    original_destination: str = ""
    sni: str = ""
    mode: str = "mitm"
    ambiguous_path: bool = False
    tunnel: TunnelTrace | None = None
    bytes_from_client: Count = 0
    bytes_from_upstream: Count = 0
    request_transforms: list[TransformTrace] | None = None
    response_transforms: list[TransformTrace] | None = None
    audit: _UpstreamGroup | None = None

    @property
    def is_request(self) -> bool:
        """Whether it is about a request, and not an event."""
        return self.msg == "request"

    @property
    def traces(self) -> list[TransformTrace]:
        """The traces of the request side."""
        return self.request_transforms or []

    @property
    def client_address(self) -> str:
        """The client's address, without its port."""
        return self.remote_addr.rpartition(":")[0].strip("[]")


class _Message(Struct):
    msg: str = ""


_entry_decoder = json.Decoder(Entry)
_message_decoder = json.Decoder(_Message)
_KINDS = ("request", "event")


def read_entries(lines: Iterable[bytes], tally: ReadingTally) -> Iterator[tuple[Entry, bytes]]:
    """The records among lines, each with its JSON; what is none is counted on the tally."""
    for line in lines:
        text = _without_prefix(line)
        if not text:
            if line.strip():
                tally.broken += 1
            continue
        try:
            entry = _entry_decoder.decode(text)
        except ValidationError:
            _count_misfit(text, tally)
        except (MsgspecError, ValueError, RecursionError):
            tally.broken += 1
        else:
            if entry.msg not in _KINDS:
                tally.other += 1
                continue
            tally.records += 1
            yield _in_one_form(entry), text


def once_each(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The requests among records, each once: of two records the closing one, or the opening one if that is all."""
    opened: dict[str, Entry] = {}
    for entry in entries:
        if not entry.is_request:
            continue
        if entry.phase != "open":
            opened.pop(entry.request_id, None)
            yield entry
            continue
        opened[entry.request_id] = entry
        if len(opened) > _MAX_OPEN:
            yield opened.pop(next(iter(opened)))
    yield from opened.values()


def _without_prefix(line: bytes) -> bytes:
    if line[:1] == b"{":
        return line
    start = line.find(b"{", 0, _MAX_PREFIX)
    return b"" if start < 0 else line[start:]


def _count_misfit(text: bytes, tally: ReadingTally) -> None:
    """JSON with other types than a record's: a line of the process log may have any."""
    try:
        is_record = _message_decoder.decode(text).msg in _KINDS
    except (MsgspecError, ValueError, RecursionError):
        is_record = True
    if is_record:
        tally.broken += 1
    else:
        tally.other += 1


def _in_one_form(entry: Entry) -> Entry:
    group = entry.audit
    if group is None or not entry.is_request:              # an event of the log itself has a group of that name
        return entry
    for name in group.__struct_fields__:
        setattr(entry, name, getattr(group, name))
    for traces in (entry.request_transforms, entry.response_transforms):
        for trace in traces or ():
            if trace.action == "allow":
                trace.action = "continue"
    return entry
