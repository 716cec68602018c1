"""
`iron-proxy secrets check`: ask every source of a configuration for its secret once, and tell how that went.

What may be said about a value is `transforms/secrets/examination.py`; here are the flags, the asking, the table and the
exit status: 0 all are there, 1 at least one cannot be had, 2 a configuration that cannot be used. Called by `main.py`.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import TextIOWrapper
from typing import TYPE_CHECKING

from iron_proxy.cli.arguments import read_flags
from iron_proxy.cli.complaints import complain
from iron_proxy.cli.main import FAILURE, OK, USAGE
from iron_proxy.errors import ConfigError, SecretUnavailable
from iron_proxy.go_compat.flags import Flag, FlagSet

if TYPE_CHECKING:                                # heavy: not for a usage error
    from rich.table import Table

    from iron_proxy.secret_sources.source import Source
    from iron_proxy.transforms.secrets.entries import Entry
    from iron_proxy.transforms.secrets.examination import Examination

FLAGS = FlagSet(
    "secrets check",
    [
        Flag("config", "", "the YAML file; without it, environment and defaults only", "FILE"),
        Flag("json", False, "print one JSON object instead of the table"),
        Flag("no-color", False, "print without colours; so does a variable NO_COLOR that is not empty"),
    ],
)
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


@dataclass(frozen=True, slots=True)
class Asked:
    """One secret, and what to ask."""

    name: str
    place: str
    source: "Source"
    entry: "Entry | None" = None


@dataclass(frozen=True, slots=True)
class Row:
    """What is told about one secret. Never its value."""

    name: str
    place: str
    source: str
    available: bool
    age_seconds: float | None                    # since its place was last written; None where that cannot be told
    length: str
    notes: tuple[str, ...]


def run(arguments: list[str]) -> int:
    """Check the secrets; returns the exit status."""
    if arguments[:1] in (["-h"], ["--help"], ["-help"]):
        print(FLAGS.usage(), end="", file=sys.stderr)
        return OK
    if arguments[:1] != ["check"]:
        return complain("there is one command about secrets: iron-proxy secrets check -config FILE", status=USAGE)
    flags = read_flags(FLAGS, arguments[1:], "; the file is given as: -config FILE")
    if isinstance(flags, int):
        return flags
    try:
        asked = _read(flags.text("config"))
    except ConfigError as error:
        return complain(*error.problems, status=USAGE)
    rows = asyncio.run(_ask(asked))
    if flags.boolean("json"):
        print(json.dumps({"secrets": [asdict(row) for row in rows]}, indent=2))
    else:
        _print_table(rows, flags.boolean("no-color"))
    return OK if all(row.available for row in rows) else FAILURE


# --- what to ask ----------------------------------------------------------------------------------------------------


def _read(path: str) -> list[Asked]:
    """Every secret of a configuration. Raises ConfigError with all that is wrong with it."""
    from iron_proxy.audit.emitter import write_to
    from iron_proxy.config.loading import examine_config
    from iron_proxy.pipeline.transform import TransformContext
    from iron_proxy.runtime.last_wall import LAST_WALL
    from iron_proxy.runtime.process_log import start_logging
    from iron_proxy.secret_sources.registry import SourceContext, build_source
    from iron_proxy.transforms.registry import build_transforms
    from iron_proxy.transforms.secrets.transform import SecretsTransform

    start_logging("error", LAST_WALL.before(write_to(2)))          # the table tells what would be warnings
    config, problems = examine_config(path or None, os.environ)
    context = TransformContext(os.environ, config.proxy.max_request_body_bytes)
    transforms = build_transforms(config.transforms, context)
    asked = [
        Asked(entry.name, entry.place, entry.source, entry)
        for transform in transforms
        if isinstance(transform, SecretsTransform)
        for entry in transform.entries
    ]
    for client in config.clients:
        password = build_source(client.section, SourceContext(os.environ), "password") if client.has_password else None
        if password is not None:
            place = f"{problems.source}:{client.section.line}"
            asked.append(Asked(f"password of client {client.name}", place, password))
    problems.raise_if_any()
    return asked


# --- asking ---------------------------------------------------------------------------------------------------------


async def _ask(asked: list[Asked]) -> list[Row]:
    from iron_proxy.secret_sources.source import close_source
    from iron_proxy.transforms.secrets.examination import Examination

    examination = Examination(each.entry for each in asked if each.entry is not None)
    rows = [await _row(each, examination) for each in asked]
    for each in asked:
        await close_source(each.source)
    return rows


async def _row(asked: Asked, examination: "Examination") -> Row:
    from iron_proxy.secret_sources.registry import describe

    source = describe(asked.source)
    try:
        secret = await asked.source.get()
    except SecretUnavailable as error:
        return Row(asked.name, asked.place, source, False, None, "", (str(error),))
    finding = examination.of(secret, asked.name, asked.entry)
    age = None if secret.changed_at is None else max(0.0, round(time.time() - secret.changed_at, 3))
    return Row(asked.name, asked.place, source, True, age, finding.length, finding.notes)


# --- showing --------------------------------------------------------------------------------------------------------


def _print_table(rows: list[Row], is_plain: bool) -> None:
    from rich.console import Console

    from iron_proxy.learning.rule_text import counted

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")     # paths need not be UTF-8, nor the terminal
    is_plain = is_plain or bool(os.environ.get("NO_COLOR"))
    console = Console(color_system=None if is_plain else "auto", highlight=False, markup=False, emoji=False)
    if not rows:
        console.print("No secrets are configured.")
        return
    console.print(_table(rows))
    missing = sum(not row.available for row in rows)
    doubtful = sum(row.available and bool(row.notes) for row in rows)
    number = counted(len(rows), "secret")
    if missing or doubtful:
        console.print(f"{number}: {missing} cannot be had, {doubtful} with a note.")
    else:
        console.print(f"{number}, all there.")


def _table(rows: list[Row]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(show_lines=True)
    for heading in ("secret", "configured at", "source", "age", "characters", "notes"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        style = "red" if not row.available else "yellow" if row.notes else "green"
        cells = (row.place, row.source, _age(row.age_seconds), row.length or "unavailable")
        notes = "\n".join(_sentences(row))
        table.add_row(Text(row.name, style), *map(Text, cells), Text(notes, style))
    return table


def _sentences(row: Row) -> Iterator[str]:
    if row.notes:
        yield from row.notes
    else:
        yield "fine"


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "—"
    for size, unit in _UNITS:
        count = int(seconds // size)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "now"
