"""
`iron-proxy audit verify FILE…` and `iron-proxy audit keygen`: is an audit log whole, and the keys to sign one with.

How a log is checked is in `audit/verification.py`; here are the flags, the files and the words. Exit status: 0 the log
is whole, 1 it is not, or a file cannot be read, 2 usage. Called by `main.py`.
"""

import json
import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from iron_proxy.cli.arguments import read_flags
from iron_proxy.cli.complaints import complain
from iron_proxy.cli.main import FAILURE, OK, USAGE
from iron_proxy.errors import StartupError
from iron_proxy.go_compat.flags import Flag, FlagError, FlagSet, HelpRequested, ParsedFlags

if TYPE_CHECKING:
    from iron_proxy.audit.verification import Result

FLAGS = FlagSet(
    "audit verify [FLAGS] FILE…",
    [
        Flag("key", "", "the public key: signatures are checked too, and must cover the log", "FILE"),
        Flag("tail", False, "the files are the end of a longer log: it need not begin with its first record"),
        Flag("open", False, "the log is still being written: it need not end with the record of a stop"),
        Flag("restarts", False, "chains may begin anew, as on standard error, where each start begins one"),
        Flag("json", False, "print one JSON object"),
    ],
)
KEYGEN_FLAGS = FlagSet(
    "audit keygen",
    [Flag("out", "audit-sign", "the names of the two files, without .key and .pub", "NAME")],
)
# What a person reads of a log that somebody has rewritten; -json has more.
_MAX_SHOWN = 20


def run(arguments: list[str]) -> int:
    """Run one of the commands; returns the exit status."""
    command = arguments[0] if arguments else ""
    if command == "verify":
        return _verify(arguments[1:])
    if command == "keygen":
        return _keygen(arguments[1:])
    if command in ("-h", "--help", "-help"):
        print(FLAGS.usage(), KEYGEN_FLAGS.usage(), sep="", end="", file=sys.stderr)
        return OK
    return complain("about audit logs there are: iron-proxy audit verify FILE…, iron-proxy audit keygen", status=USAGE)


# --- verify ---------------------------------------------------------------------------------------------------------


def _verify(arguments: list[str]) -> int:
    flags = _flags(arguments)
    if isinstance(flags, int):
        return flags
    try:
        result = _check(flags)
    except StartupError as error:
        return complain(error, status=FAILURE)
    if flags.boolean("json"):
        print(json.dumps(_as_json(result)))
    else:
        _print(result, has_key=bool(flags.text("key")))
    return OK if result.is_whole else FAILURE


def _flags(arguments: list[str]) -> ParsedFlags | int:
    try:
        flags = FLAGS.parse(arguments)
    except HelpRequested:
        print(FLAGS.usage(), end="", file=sys.stderr)
        return OK
    except FlagError as error:
        print(error, FLAGS.usage(), sep="\n", end="", file=sys.stderr)
        return USAGE
    if not flags.positional:
        return complain("name the files of the log: iron-proxy audit verify FILE…", status=USAGE)
    if stray := [name for name in flags.positional if name.startswith("-") and name != "-"]:
        return complain(f"{stray[0]}: flags stand before the files", status=USAGE)
    return flags


def _check(flags: ParsedFlags) -> "Result":
    from iron_proxy.audit import verification
    from iron_proxy.audit.signing import read_verifier

    verifier = read_verifier(flags.text("key")) if flags.text("key") else None
    allowances = verification.Allowances(
        beginning=flags.boolean("tail"), end=flags.boolean("open"), restarts=flags.boolean("restarts")
    )
    check = verification.Verification(verifier, allowances)
    try:
        with ExitStack() as stack:
            files = [(_shown(path), stack.enter_context(open(path, "rb"))) for path in dict.fromkeys(flags.positional)]
            # Chains that begin anew have no order of their own: the one on the command line counts.
            for name, file in files if allowances.restarts else verification.in_order(files):
                check.read(name, file)
    except OSError as error:
        raise StartupError(f"{_shown(str(error.filename or ''))}: {(error.strerror or 'failed').lower()}") from error
    return check.finish()


def _as_json(result: "Result") -> dict[str, object]:
    return {
        "whole": result.is_whole,
        "records": result.lines,
        "first": result.first,
        "last": result.last,
        "signatures": result.signatures,
        "unsigned": result.unsigned,
        "other_lines": result.others,
        "findings": [{"file": each.file, "line": each.line, "finding": each.sentence} for each in result.findings],
    }


def _print(result: "Result", *, has_key: bool) -> None:
    for finding in result.findings[:_MAX_SHOWN]:
        print(finding)
    more = len(result.findings) - _MAX_SHOWN
    if more > 0:
        print(f"and {more} more")
    span = f"records {result.first} to {result.last}" if result.lines else "no records"
    others = f", {result.others} lines of the process log between them" if result.others else ""
    print(f"{span}{others}; {_signatures(result, has_key=has_key)}")
    print("the log is whole" if result.is_whole else "the log is NOT whole")


def _signatures(result: "Result", *, has_key: bool) -> str:
    if not result.signatures:
        return "not signed"
    if not has_key:
        return f"{result.signatures} signatures, not checked (-key)"
    return f"{result.signatures} signatures hold, {result.unsigned} records behind the last one"


def _shown(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "replace")        # names need not be UTF-8, nor the terminal


# --- keygen ---------------------------------------------------------------------------------------------------------


def _keygen(arguments: list[str]) -> int:
    flags = read_flags(KEYGEN_FLAGS, arguments, "; the name is given as: -out NAME")
    if isinstance(flags, int):
        return flags
    from iron_proxy.audit.signing import write_key_pair

    name = flags.text("out")
    paths = (f"{name}.key", f"{name}.pub")
    try:
        write_key_pair(*paths)
    except StartupError as error:
        return complain(error, status=FAILURE)
    for path, purpose in zip(paths, ("for audit.sign_key", "for audit verify -key; keep it elsewhere"), strict=True):
        print(f"wrote {_shown(path)} ({purpose})")
    return OK
