"""
`iron-proxy replay AUDIT… -config NEW`: which recorded requests another configuration would treat otherwise.

The judging is `learning/replay.py`; here are the flags, the table and the exit status: 0 all the same, 1 something
changes, 2 nothing could be said. Nothing is connected to, and no secret is asked for. Called by `cli/main.py`.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from iron_proxy.cli.arguments import read_files_and_flags
from iron_proxy.cli.audit_files import (
    NO_FILES,
    console,
    file_sentence,
    judge_of,
    leave_broken_pipe,
    read_files,
    tell_unread,
)
from iron_proxy.cli.complaints import complain
from iron_proxy.cli.main import FAILURE, OK, USAGE
from iron_proxy.errors import ConfigError
from iron_proxy.go_compat.flags import Flag, FlagSet, ParsedFlags

if TYPE_CHECKING:                                # heavy: not for a usage error
    from iron_proxy.audit_reading.sources import ReadingTally
    from iron_proxy.learning.judge import Judge
    from iron_proxy.learning.replay import Change, Replay

FLAGS = FlagSet(
    "replay AUDIT… -config NEW",
    [
        Flag("config", "", "the configuration to judge by", "NEW"),
        Flag("json", False, "print one JSON object"),
        Flag("no-color", False, "print without colours"),
    ],
)
# These change or note, and never refuse.
_HARMLESS = ("annotate", "body_capture", "header_allowlist")


def run(arguments: list[str]) -> int:
    """Replay records; returns the exit status."""
    read = read_files_and_flags(FLAGS, arguments, NO_FILES)
    if isinstance(read, int):
        return read
    files, flags = read
    try:
        return _replay(files, flags)
    except ConfigError as error:
        return complain(*error.problems, status=USAGE)
    except BrokenPipeError:
        leave_broken_pipe()
        return OK
    except OSError as error:
        return complain(file_sentence(error), status=USAGE)
    except ValueError as error:
        return complain(error, status=USAGE)


def _replay(files: tuple[str, ...], flags: ParsedFlags) -> int:
    from iron_proxy.audit_reading.sources import ReadingTally
    from iron_proxy.cli.policy_file import read_policy
    from iron_proxy.learning.replay import Replay

    if not flags.text("config"):
        raise ValueError("-config NEW is missing: the configuration to judge by")
    policy = read_policy(flags.text("config"))
    policy.problems.raise_if_any()
    judge, tally = judge_of(policy.config, policy.pipeline), ReadingTally()
    replay = Replay(judge)
    asyncio.run(_feed(replay, files, tally))
    tell_unread(tally)
    if not replay.same + replay.changed:
        raise ValueError("these files hold no request that policy decided on; give audit files, one JSON object a line")
    if flags.boolean("json"):
        _print_json(replay, judge, tally)
    else:
        _print(replay, judge, is_plain=flags.boolean("no-color"))
    sys.stdout.flush()
    return FAILURE if replay.changed else OK


async def _feed(replay: "Replay", files: tuple[str, ...], tally: "ReadingTally") -> None:
    from iron_proxy.audit_reading.entries import once_each

    for entry in once_each(entry for entry, _ in read_files(files, tally)):
        await replay.take(entry)


# --- telling --------------------------------------------------------------------------------------------------------


def _notes(replay: "Replay", judge: "Judge") -> Iterator[str]:
    """What the figures do not say."""
    for reason, count in replay.unknown.items():
        yield f"{count} requests cannot be decided: {reason}."
    if replay.not_asked:
        yield f"{replay.not_asked} requests were not decided by an allowlist then, and are not judged."
    if replay.warned_only:
        yield f"{replay.warned_only} requests are let through only because an allowlist says warn: true."
    left_out = sorted({name for name in judge.left_out if name not in _HARMLESS})
    if left_out:
        names = ", ".join(left_out)
        yield f"Not judged, for records hold no header fields and no bodies: what {names} would refuse."
    if replay.changes_omitted:
        yield f"{replay.changes_omitted} more requests change, of kinds that are not listed."


def _print_json(replay: "Replay", judge: "Judge", tally: "ReadingTally") -> None:
    told = {
        "requests": replay.requests, "same": replay.same, "changed": replay.changed,
        "not_judged": replay.not_asked + sum(replay.unknown.values()), "warned_only": replay.warned_only,
        "changes": [asdict(change) for change in replay.changes], "changes_omitted": replay.changes_omitted,
        "notes": list(_notes(replay, judge)), "unread": tally.sentences(),
    }  # fmt: skip
    print(json.dumps(told, indent=2))


def _print(replay: "Replay", judge: "Judge", *, is_plain: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    output = console(is_plain=is_plain)
    if replay.changed:
        table = Table(show_lines=True)
        for heading in ("change", "requests", "client", "request", "why"):
            table.add_column(heading, overflow="fold", justify="right" if heading == "requests" else "left")
        for change in replay.changes:
            style = "red" if change.becomes == "denied" else "yellow"
            change_text = Text(f"{change.was} → {change.becomes}", style)
            table.add_row(change_text, *map(Text, _cells(change)))
        output.print(table)
    output.print(f"{replay.same} requests the same, {replay.changed} changed.")
    for note in _notes(replay, judge):
        output.print(note, soft_wrap=True)


def _cells(change: "Change") -> tuple[str, str, str, str]:
    from iron_proxy.audit_reading.terminal_text import escaped

    before = f"{change.method or 'TLS'} " + ("" if change.scheme == "tunnel" else f"{change.scheme}://")
    what = [f"{before}{change.host}{path}" for path in change.paths]
    return str(change.requests), escaped(change.client), "\n".join(map(escaped, what)), escaped(change.why)
