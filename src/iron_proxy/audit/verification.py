"""
Is the audit log whole? Reads the files of one chain and tells each place where a line was changed, cut, added or moved.

What can be said depends on what there is: a chain shows every change by who does not know of it, a signature every
change by who does not have the key, and only the record that ends a log shows that nothing was cut off behind it.
Hostile files are read line by line, whatever is in them. Called by `cli/audit.py`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from msgspec import DecodeError, json

from iron_proxy.audit.chain import GENESIS, Link, read_link
from iron_proxy.audit.signing import Verifier

# A line may hold a body that was captured, and an annotation of any length; no record is near this.
MAX_LINE_BYTES: Final = 16 * 1024 * 1024
# More is not read by anybody, and each is a sentence in memory.
MAX_FINDINGS: Final = 1000

_decode = json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, and where."""

    file: str
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.sentence}" if self.line else f"{self.file}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Allowances:
    """What is known to be missing: `beginning`, `end`, and whether chains may begin anew (`restarts`)."""

    beginning: bool = False
    end: bool = False
    restarts: bool = False


@dataclass(slots=True)
class Result:
    """What was found. `lines` are those of the chain, `others` lines of the process log between them."""

    findings: list[Finding] = field(default_factory=list)
    lines: int = 0
    others: int = 0
    signatures: int = 0              # that hold; all of them where there is no key to check them with
    first: int = 0                   # numbers of the first and the last line
    last: int = 0
    unsigned: int = 0                # lines behind the last signature
    ends: bool = False               # the last thing that was recorded is that the proxy stopped

    @property
    def is_whole(self) -> bool:
        """Nothing was found."""
        return not self.findings


class Verification:
    """Feed it the files in order, then ask for the `result`."""

    def __init__(self, verifier: Verifier | None = None, allowances: Allowances = Allowances()) -> None:
        self._verifier = verifier
        self._allowances = allowances
        self._result = Result()
        self._previous: Link | None = None
        self._file, self._line = "", 0

    def read(self, name: str, file: BinaryIO) -> None:
        """Go through one file."""
        self._file, self._line = name, 0
        for line in _lines(file):
            self._line += 1
            if not line.endswith(b"\n"):
                self._find("the line is cut" if len(line) < MAX_LINE_BYTES else "the line is too long for a record")
                line += b"\n"
            self._take(line[:-1])

    def finish(self) -> Result:
        """What was found, with what only the end shows."""
        result = self._result
        if not result.lines:
            self._find("there is no chained record")
        elif not result.ends and not self._allowances.end:
            self._find("the log does not end with the record of a stop: what came behind this line is missing")
        if self._verifier is not None and result.unsigned and not self._allowances.end:
            self._find(f"no signature covers the last {result.unsigned} lines")
        return result

    # --- one line ---------------------------------------------------------------------------------------------------

    def _take(self, line: bytes) -> None:
        link = read_link(line)
        if link is None:
            self._take_other(line)
            return
        if not link.is_whole:
            self._find("the line was changed")
        self._check_place(link)
        self._previous = link
        self._result.lines += 1
        self._result.first = self._result.first or link.number
        self._result.last = link.number
        self._look_into(line, link)

    def _take_other(self, line: bytes) -> None:
        """A line that is in no chain: the process log's, where both go to standard error, or somebody's."""
        try:
            fields = _decode(line)
        except (DecodeError, RecursionError, ValueError):
            fields = None
        if isinstance(fields, dict) and fields.get("msg") not in ("request", "event", None) and "hash" not in fields:
            self._result.others += 1
        else:
            self._find("the line is not in the chain: it was added, or changed")

    def _check_place(self, link: Link) -> None:
        previous = self._previous
        if previous is None:
            self._check_beginning(link)
        elif link.number == 1 and link.previous == GENESIS:
            if not self._allowances.restarts:
                self._find("another chain begins here")
            elif not (self._result.ends or self._allowances.end):
                self._find("another chain begins here, and the one before has no end")
        elif link.number != previous.number + 1:
            self._find(_gap(previous.number, link.number))
        elif link.previous != previous.digest:
            self._find("the line does not follow the one before it, which was changed or replaced")

    def _check_beginning(self, link: Link) -> None:
        is_first = link.number == 1 and link.previous == GENESIS
        if not is_first and not self._allowances.beginning:
            self._find(f"the log begins with record {link.number}: what came before is missing")

    # --- what the records say of the log ----------------------------------------------------------------------------

    def _look_into(self, line: bytes, link: Link) -> None:
        result = self._result
        fields = _audit_event(line)
        action = fields.get("action")
        if action != "signed":
            result.ends = action == "stop"
            result.unsigned += 1
            return
        details = fields.get("audit")
        if self._verifier is None or (isinstance(details, dict) and self._is_signed(link, details)):
            result.signatures += 1
            result.unsigned = 0
        else:
            self._find("the signature is not this key's, or not of the lines before it")

    def _is_signed(self, link: Link, details: dict[str, Any]) -> bool:
        number, digest, signature = details.get("seq"), details.get("hash"), details.get("signature")
        if number != link.number - 1 or digest != link.previous.decode("ascii") or not isinstance(signature, str):
            return False
        return self._verifier is not None and self._verifier.accepts(link.number - 1, link.previous, signature)

    def _find(self, sentence: str) -> None:
        if len(self._result.findings) < MAX_FINDINGS:
            self._result.findings.append(Finding(self._file, self._line, sentence))


def in_order(files: Iterable[tuple[str, BinaryIO]]) -> list[tuple[str, BinaryIO]]:
    """Files in the order in which they were written, by the number of their first record; each at its beginning."""

    def first_number(file: BinaryIO) -> int:
        link = next((link for line in _lines(file) if (link := read_link(line.rstrip(b"\n"))) is not None), None)
        file.seek(0)
        return 0 if link is None else link.number

    return sorted(files, key=lambda each: first_number(each[1]))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE_BYTES):
        yield line


def _gap(before: int, number: int) -> str:
    if number <= before:
        return f"record {number} stands behind record {before}: it was moved, or repeated"
    missing = f"record {before + 1} is" if number == before + 2 else f"records {before + 1} to {number - 1} are"
    return f"record {number} follows record {before}: {missing} missing"


def _audit_event(line: bytes) -> dict[str, Any]:
    """The fields of an event of the log itself; nothing for any other line."""
    if b'"event":"audit"' not in line:               # nearly all lines: not worth reading
        return {}
    try:
        fields = _decode(line)
    except (DecodeError, RecursionError, ValueError):
        return {}
    is_event = isinstance(fields, dict) and fields.get("msg") == "event" and fields.get("event") == "audit"
    return fields if is_event else {}
