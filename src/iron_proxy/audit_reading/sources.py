"""
The lines of audit files: plain or gzip, rotated sets oldest first, standard input; all of it in bounded memory.

A file that breaks off or is damaged gives what can be read of it, and is named in the tally. Called by `cli/`.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from io import BufferedReader

from iron_proxy.audit_reading.lines import LineSplitter

STANDARD_INPUT = "-"
# Enough that the calls do not matter, little enough that nothing notices.
CHUNK_BYTES = 256 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
# `audit.jsonl`, `audit.jsonl.2`, `audit.jsonl.2.gz`, `audit.jsonl-20261125.gz`: what a rotation makes of a name.
_ROTATED = re.compile(r"(?P<base>.+?)(?:[.-](?P<number>[0-9]{1,14}))?(?:\.gz)?", re.DOTALL | re.ASCII)
# A number of so many digits is a date, of which the larger is the newer.
_DATE_DIGITS = 8


@dataclass(slots=True)
class ReadingTally:
    """What was met beside records. `damaged` are sentences, one a file."""

    records: int = 0
    other: int = 0                     # lines of the process log, which shares standard error with the records
    broken: int = 0                    # lines that are no JSON object, or no record of ours
    too_long: int = 0
    damaged: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """What a reader has to know about what was not read."""
        said = [*self.damaged]
        if self.broken:
            said.append(f"{_lines(self.broken)} could not be read as audit records")
        if self.too_long:
            said.append(f"{_lines(self.too_long)} longer than any record")
        return said


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def in_order(paths: Iterable[str]) -> list[str]:
    """The paths with the parts of each rotated set together, the oldest first; sets in the order they were named."""
    sets: dict[str, list[tuple[tuple[int, int], str]]] = {}
    for path in paths:
        parts = _ROTATED.fullmatch(path)
        base, number = (path, None) if parts is None else (parts["base"], parts["number"])
        sets.setdefault(base, []).append((_age(number), path))
    return [path for members in sets.values() for _, path in sorted(members)]


def _age(number: str | None) -> tuple[int, int]:
    """Sorts a part by its age: dates upwards, then numbers downwards, then the file that is being written."""
    if number is None:
        return 2, 0
    return (0, int(number)) if len(number) >= _DATE_DIGITS else (1, -int(number))


def read_lines(
    paths: Iterable[str], standard_input: Callable[[], BufferedReader], tally: ReadingTally
) -> Iterator[bytes]:
    """Every line of all files. Opens one file at a time and closes it. Raises OSError for one that cannot be opened."""
    for path in paths:
        if path == STANDARD_INPUT:
            yield from _lines_of(standard_input(), "standard input", tally)
            continue
        with open(path, "rb") as file:
            yield from _lines_of(file, path, tally)


def _lines_of(file: BufferedReader, name: str, tally: ReadingTally) -> Iterator[bytes]:
    splitter = LineSplitter()
    try:
        for chunk in _chunks(file):
            yield from splitter.feed(chunk)
    except (EOFError, zlib.error, OSError) as error:          # BadGzipFile is an OSError
        tally.damaged.append(f"{name}: {_reason(error)}; what stood before that was read")
    yield from splitter.end()
    tally.too_long += splitter.too_long


def _chunks(file: BufferedReader) -> Iterator[bytes]:
    """A pipe gives what is there: nobody waits for a chunk to be full."""
    if file.peek(len(_GZIP_MAGIC))[: len(_GZIP_MAGIC)] != _GZIP_MAGIC:
        while chunk := file.read1(CHUNK_BYTES):
            yield chunk
        return
    with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
        while chunk := unpacked.read1(CHUNK_BYTES):
            yield chunk


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "the compressed file breaks off" if isinstance(error, EOFError) else "the compressed file is damaged"
