"""
Feed one target in this process: `python -m tests.fuzz.feed NAME SECONDS`, or `merge` in place of the seconds.

Started by `run.py`. Nothing of ours may be imported before it is instrumented, hence a module of its own.
"""

import shlex
import sys
from pathlib import Path

import atheris

# Only our code is instrumented: what an oracle branches on says nothing about it.
with atheris.instrument_imports(include=["iron_proxy"], enable_loader_override=False):
    from tests.fuzz.targets.catalogue import CORPUS, TARGETS

FOLDER = Path(".fuzz")
# An input that takes longer is a fault by itself: nothing takes seconds for some kilobytes but what is quadratic.
_SECONDS_PER_INPUT = 20
# Above what the interpreter, the coverage table and the largest bound of any target come to.
_MEGABYTES = 2048


def main(name: str, how: str, *inner: str) -> None:
    """Does not come back: the fuzzer ends the process, with another status than 0 when something does not hold."""
    target = TARGETS[name]
    folder, corpus = FOLDER / name, CORPUS / name
    found = folder / "found"
    for each in (found, corpus):
        each.mkdir(parents=True, exist_ok=True)
    arguments = [
        f"-max_len={target.max_bytes}",
        f"-timeout={_SECONDS_PER_INPUT}",
        f"-rss_limit_mb={_MEGABYTES}",
        f"-artifact_prefix={folder}/",
    ]
    program = sys.argv[0]
    if how == "inner":
        arguments = [*inner]
    elif how == "merge":
        program = _program(folder, name)
        arguments += ["-merge=1", str(corpus), str(found)]
    else:
        dictionary = _dictionary(folder, target.dictionary)
        arguments += [f"-max_total_time={how}", "-print_final_stats=1", f"-dict={dictionary}", str(found), str(corpus)]
    atheris.Setup([program, *arguments], target.check)
    atheris.Fuzz()


def _program(folder: Path, name: str) -> str:
    """A program that is this one: to merge, libFuzzer starts itself again, by its name and with other arguments."""
    file = folder / "again"
    file.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m tests.fuzz.feed {name} inner "$@"\n')
    file.chmod(0o755)
    return str(file)


def _dictionary(folder: Path, words: tuple[bytes, ...]) -> Path:
    """A libFuzzer dictionary of the words; every byte is written as an escape."""
    file = folder / "dictionary.txt"
    lines = ['"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in words]
    file.write_text("\n".join(lines) + "\n")
    return file


if __name__ == "__main__":
    main(*sys.argv[1:])
