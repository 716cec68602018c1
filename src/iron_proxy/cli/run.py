"""
`iron-proxy run`: start a program that can reach nothing but the proxy, and tell at the end what it did.

The flags are in `run_flags.py`, what they do in `session/`; here are the files, the printing and the exit status, which
is the program's. Ours are 1 when it could not be jailed, 2 for wrong flags or a configuration that cannot be used, 126
and 127 as a shell gives them. Called by `main.py`.
"""

import asyncio
import contextlib
import gc
import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from iron_proxy.cli.main import FAILURE, OK, USAGE
from iron_proxy.cli.run_flags import FLAGS, order_from
from iron_proxy.errors import ConfigError, IronProxyError, StartupError, system_reason
from iron_proxy.go_compat.flags import FlagError, HelpRequested, ParsedFlags

if TYPE_CHECKING:  # heavy: not for a usage error
    from iron_proxy.session.learning import LearnedRequests
    from iron_proxy.session.preparation import Order
    from iron_proxy.session.records import Records
    from iron_proxy.session.summary import Ending
    from iron_proxy.session.tally import Tally

_INTERRUPTED: Final = 130  # 128 and SIGINT, as a shell has it
_STANDARD_ERROR: Final = 2
_WEAK: Final = (
    "weak: the program is told of the proxy by its environment only. It can ignore that; nothing is closed or hidden"
)
_APPENDED: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_REPLACED: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL


@dataclass(frozen=True, slots=True)
class Files:
    """The descriptors of the files that flags name; None where there is none."""

    audit: int | None
    learn: int | None
    summary: int | None


def run(arguments: list[str]) -> int:
    """Run a program; returns its exit status."""
    gc.disable()  # until the program runs: start-up makes next to no garbage
    try:
        flags = FLAGS.parse(arguments)
    except HelpRequested:
        print(_usage(), end="", file=sys.stderr)
        return OK
    except FlagError as error:
        print(f"{error}\n{_usage()}", end="", file=sys.stderr)
        return USAGE
    try:
        return _run(flags)
    except ConfigError as error:
        return _say(*error.problems, status=USAGE)
    except IronProxyError as error:
        return _say(str(error), status=FAILURE)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the process log has been taken over, and may lead nowhere
        sys.excepthook(*sys.exc_info())
        return _say(f"internal error: {type(error).__name__}; -verbose tells where", status=FAILURE)


def _usage() -> str:
    return FLAGS.usage().replace("Usage of run:", "Usage: iron-proxy run [flags] -- COMMAND [ARGUMENTS]", 1)


def _run(flags: ParsedFlags) -> int:
    import resource

    from iron_proxy.runtime.hardening import harden_process
    from iron_proxy.runtime.open_files import raise_open_files

    limits = {resource.RLIMIT_CORE: harden_process(), resource.RLIMIT_NOFILE: raise_open_files()}
    with contextlib.ExitStack() as cleanup:
        files = _open_files(flags, cleanup)
        try:
            order = order_from(flags, os.environ, limits)
        except ValueError as error:
            return _say(str(error), status=USAGE)
        return _run_order(order, flags, files)


def _run_order(order: "Order", flags: ParsedFlags, files: Files) -> int:
    from iron_proxy.session.learning import LearnedRequests
    from iron_proxy.session.records import Records
    from iron_proxy.session.tally import Tally

    tally, learned = Tally(), LearnedRequests()
    written = [files.audit, _STANDARD_ERROR if flags.boolean("verbose") else None]
    records = Records(
        tuple(each for each in written if each is not None),
        (tally.take, learned.take) if files.learn is not None else (tally.take,),
        _tell,
    )
    ending = _serve_and_run(order, records, is_weak=flags.boolean("weak"))
    if ending.failure:
        _tell(ending.failure)
    if files.learn is not None:
        _write_learned(learned, flags.text("learn"), files.learn)
    _summarise(tally, ending, flags.text("summary"), files.summary)
    return ending.status


def _serve_and_run(order: "Order", records: "Records", *, is_weak: bool) -> "Ending":
    from iron_proxy.runtime.event_loop import new_event_loop
    from iron_proxy.session.jailed import run_jailed
    from iron_proxy.session.policy_flags import traps_of
    from iron_proxy.session.preparation import prepare
    from iron_proxy.session.unjailed import run_unjailed

    records.start_log()
    preparation = prepare(order)
    records.set_level(preparation.config.log.level)
    if is_weak:
        records.note(_WEAK)
    records.note(*preparation.notes, *traps_of(order.additions.rules))
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run((run_unjailed if is_weak else run_jailed)(preparation, records))


# --- files ----------------------------------------------------------------------------------------------------------


def _open_files(flags: ParsedFlags, cleanup: contextlib.ExitStack) -> Files:
    """Before the program is there, so that it cannot put anything in the way. Raises StartupError."""
    learn = flags.text("learn")
    if learn and os.path.lexists(learn):
        raise StartupError(f"-learn {learn}: it is there already, and nothing is overwritten: name another file")
    opened = [
        _open(flags.text(name), how, cleanup) if flags.text(name) else None
        for name, how in (("audit", _APPENDED), ("learn", _NEW), ("summary-file", _REPLACED))
    ]
    return Files(*opened)


def _open(path: str, how: int, cleanup: contextlib.ExitStack) -> int:
    try:
        descriptor = os.open(path, how | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartupError(f"writing {path}: {system_reason(error)}") from error
    cleanup.callback(os.close, descriptor)
    if how == _NEW:
        cleanup.callback(_remove_if_empty, path)
    return descriptor


def _remove_if_empty(path: str) -> None:
    """A file for what is learned that nothing was learned for, as the program was never started."""
    with contextlib.suppress(OSError):
        if os.path.getsize(path) == 0:
            os.unlink(path)


# --- what is told ---------------------------------------------------------------------------------------------------


def _write_learned(learned: "LearnedRequests", path: str, descriptor: int) -> None:
    from iron_proxy.session.learned_config import learned_config

    _write(descriptor, learned_config(learned))
    _tell(f"wrote {path}: run it with -config {path} to allow just that")


def _summarise(tally: "Tally", ending: "Ending", form: str, descriptor: int | None) -> None:
    from iron_proxy.session.summary import as_json, as_lines

    if form == "off":
        return
    lines = [json.dumps(as_json(tally, ending))] if form == "json" else as_lines(tally, ending)
    _write(_STANDARD_ERROR if descriptor is None else descriptor, "".join(f"{line}\n" for line in lines))


def _write(descriptor: int, text: str) -> None:
    from iron_proxy.audit.emitter import write_to

    with contextlib.suppress(OSError):  # nobody reads it: the program's status counts all the same
        write_to(descriptor)(text.encode("utf-8", "replace"))


def _tell(sentence: str) -> None:
    print(f"iron-proxy: {_encodable(sentence)}", file=sys.stderr, flush=True)


def _say(*sentences: str, status: int) -> int:
    for sentence in sentences:
        _tell(sentence)
    return status


def _encodable(sentence: str) -> str:
    return os.fsencode(sentence).decode("utf-8", "replace")  # paths and commands need not be UTF-8
