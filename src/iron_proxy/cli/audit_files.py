"""What the commands that read audit files do alike: open them in order, read them, tell what was not read."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader, TextIOWrapper
from typing import TYPE_CHECKING, Literal

from iron_proxy.errors import system_reason

if TYPE_CHECKING:                                # heavy: not for a usage error
    from rich.console import Console

    from iron_proxy.audit_reading.entries import Entry
    from iron_proxy.audit_reading.sources import ReadingTally
    from iron_proxy.config.schema import Config
    from iron_proxy.learning.judge import Judge
    from iron_proxy.pipeline.pipeline import Pipeline

_FILE_COLUMNS = 160
NO_FILES = "name the audit files, or - for standard input"


def read_files(files: Iterable[str], tally: "ReadingTally") -> "Iterator[tuple[Entry, bytes]]":
    """Every record of the files, with its JSON. Raises OSError for one that cannot be opened."""
    from iron_proxy.audit_reading.entries import read_entries
    from iron_proxy.audit_reading.sources import in_order, read_lines

    return read_entries(read_lines(in_order(files), standard_input, tally), tally)


def standard_input() -> BufferedReader:
    """Its bytes."""
    buffer = sys.stdin.buffer
    return buffer if isinstance(buffer, BufferedReader) else BufferedReader(buffer)  # type: ignore[arg-type]


def tell_unread(tally: "ReadingTally") -> None:
    """On standard error, what was not read."""
    from iron_proxy.audit_reading.terminal_text import escaped

    for sentence in tally.sentences():
        print(f"warning: {escaped(sentence)}", file=sys.stderr)


def file_sentence(error: OSError) -> str:
    """What is wrong with a file that was to be read."""
    from iron_proxy.audit_reading.terminal_text import escaped

    name = error.filename if isinstance(error.filename, str) else "standard input"
    return f"reading {escaped(name)}: {system_reason(error)}"


def judge_of(config: "Config", pipeline: "Pipeline") -> "Judge":
    """Who says what a configuration would have done with recorded requests."""
    from iron_proxy.learning.judge import Judge

    return Judge(config, pipeline, client_names(config)[1])


def client_names(config: "Config") -> tuple[list[str], Callable[[str], str]]:
    """(the names of the configured clients, which of them an address tells, or "")."""
    from iron_proxy.proxy.client_identity import build_identities
    from iron_proxy.secret_sources.registry import SourceContext

    identities = build_identities(config.clients, SourceContext(os.environ))
    return [client.name for client in config.clients], identities.by_address


def console(*, is_plain: bool) -> "Console":
    """What tables and lines are printed with; nothing in a text is markup."""
    from rich.console import Console

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal need not be able to show everything
    is_plain = is_plain or bool(os.environ.get("NO_COLOR"))
    colors: Literal["auto"] | None = None if is_plain else "auto"
    # In a file nothing is folded that need not be; a terminal knows how wide it is.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _FILE_COLUMNS
    return Console(color_system=colors, highlight=False, markup=False, emoji=False, width=width)


def leave_broken_pipe() -> None:
    """Whoever read our output has left (`| head`): what is still buffered goes nowhere, without a complaint at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
