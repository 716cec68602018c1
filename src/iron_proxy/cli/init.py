"""
`iron-proxy init`: write a first configuration, from presets, hosts and secrets.

They come from flags or, on a terminal and without flags, from questions. What is written is `presets/composition.py`;
here are the asking, the file and the exit status: 0 written, 1 the file cannot be written, 2 wrong flags. Called by
`cli/main.py`.
"""

import os
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from iron_proxy.cli.arguments import read_flags
from iron_proxy.cli.complaints import complain
from iron_proxy.cli.main import FAILURE, OK, USAGE
from iron_proxy.cli.standard_output import write_document
from iron_proxy.go_compat.flags import Flag, FlagSet

if TYPE_CHECKING:                                # heavy: not for a usage error
    from iron_proxy.presets.composition import Composed

_DEFAULT_FILE = "iron-proxy.yaml"
FLAGS = FlagSet(
    "init",
    [
        Flag("preset", (), "what a program needs, see -list; may be given more than once", "NAME"),
        Flag("allow", (), "a host, *.DOMAIN or range of addresses to allow; may be given more than once", "HOST"),
        Flag("secret", (), "a variable of the proxy and the host its value may go to; more than once", "VAR@HOST"),
        Flag("out", _DEFAULT_FILE, "the file to write; - is standard output", "FILE"),
        Flag("force", False, "overwrite the file"),
        Flag("list", False, "list the presets"),
    ],
)


def run(arguments: list[str]) -> int:
    """Write a configuration; returns the exit status."""
    flags = read_flags(FLAGS, arguments, "; programs are given as: -preset NAME")
    if isinstance(flags, int):
        return flags
    if flags.boolean("list"):
        return _list()
    wanted = {name: list(flags.texts(name)) for name in ("preset", "allow", "secret")}
    out = flags.text("out")
    if not any(wanted.values()):
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            return complain("say what to allow: -preset NAME (see -list), -allow HOST, -secret VAR@HOST", status=USAGE)
        try:
            wanted, out = _ask(out, is_forced=flags.boolean("force"))
        except (EOFError, KeyboardInterrupt):
            print("\nerror: nothing was written", file=sys.stderr)
            return FAILURE
    try:
        composed = _compose(wanted, out)
    except ValueError as error:
        return complain(error, status=USAGE)
    return _write(composed, out, is_forced=flags.boolean("force"))


def _list() -> int:
    from iron_proxy.presets.catalogue import preset_names, read_preset

    for name in preset_names():
        print(f"{name:<14}{read_preset(name).about}")
    return OK


def _compose(wanted: dict[str, list[str]], out: str) -> "Composed":
    """Raises ValueError with a sentence."""
    from iron_proxy.presets.catalogue import read_presets
    from iron_proxy.presets.composition import compose, draft_of

    draft = draft_of(read_presets(wanted["preset"]), wanted["allow"], wanted["secret"])
    words = ["iron-proxy", "init"]
    for flag, values in wanted.items():
        for value in values:
            words += [f"-{flag}", value]
    return compose(draft, shlex.join([*words, *(["-out", out] if out != _DEFAULT_FILE else [])]))


# --- asking ---------------------------------------------------------------------------------------------------------


def _ask(out: str, *, is_forced: bool) -> tuple[dict[str, list[str]], str]:
    """The same as the flags say, from questions. Raises EOFError, KeyboardInterrupt."""
    from iron_proxy.presets.catalogue import read_presets
    from iron_proxy.presets.composition import draft_of

    print("Presets:")
    _list()
    wanted = {
        "preset": _ask_names("Which of these will use the proxy? Names with commas: ", read_presets),
        "allow": _ask_names("Other hosts to allow, with commas: ", lambda hosts: draft_of([], hosts, [])),
        "secret": _ask_names("Other secrets, as VAR@HOST, with commas: ", lambda texts: draft_of([], [], texts)),
    }
    return wanted, _ask_file(out, is_forced=is_forced)


def _ask_names(question: str, check: Callable[[list[str]], object]) -> list[str]:
    """Until the answer can be used: what was answered before would have to be written again. May be none."""
    while True:
        names = [part.strip() for part in input(question).split(",") if part.strip()]
        try:
            check(names)
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
        else:
            return names


def _ask_file(out: str, *, is_forced: bool) -> str:
    while True:
        name = input(f"Write to [{out}]: ").strip() or out
        if is_forced or not os.path.lexists(name):
            return name
        print(f"error: {name} is there already", file=sys.stderr)


# --- writing --------------------------------------------------------------------------------------------------------


def _write(composed: "Composed", out: str, *, is_forced: bool) -> int:
    if out == "-":
        write_document(composed.text)
        _tell(composed, out, sys.stderr)
        return OK
    try:
        with open(out, "w" if is_forced else "x", encoding="utf-8") as file:
            file.write(composed.text)
    except FileExistsError:
        return complain(f"{out} is there already; -force overwrites it, -out writes another", status=FAILURE)
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else "not a usable path"
        return complain(f"writing {out}: {reason}", status=FAILURE)
    print(f"wrote {out}")
    _tell(composed, out, sys.stdout)
    return OK


def _tell(composed: "Composed", out: str, stream: TextIO) -> None:
    """What comes next."""
    file = _DEFAULT_FILE if out == "-" else shlex.quote(out)
    settings = "".join(f"{variable}=... " for variable in composed.tokens)
    print("\nNext:", file=stream)
    print("  iron-proxy generate-ca", file=stream)
    print(f"  iron-proxy check -config {file}", file=stream)
    print(f"  {settings}iron-proxy -config {file}", file=stream)
    for variable, token in composed.tokens.items():
        print(f"In the workload: {variable}={token}", file=stream)
