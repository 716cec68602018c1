"""
Feed fuzz targets, guided by coverage: `make fuzz TIME=10m TARGET=http1-request`, or all of them without a target.

The fuzzer is atheris (libFuzzer with Python's coverage), in `feed.py`. It begins with the corpus in the repository.
What it finds besides lies in `.fuzz/NAME/found`, and an input under which something does not hold in `.fuzz/NAME`; the
command that repeats it is told. That one needs no atheris: `python -m tests.fuzz.run TARGET FILE…`.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets.catalogue import TARGETS

FOLDER = Path(".fuzz")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def main(arguments: list[str]) -> int:
    """The exit status: 1 where something does not hold."""
    options = _options(arguments)
    if options.files:
        for file in options.files:
            TARGETS[options.target].check(file.read_bytes())
            print(f"{file}: holds")
        return 0
    names = list(TARGETS) if options.target == "all" else [options.target]
    how = "merge" if options.merge else str(options.seconds)
    failed = [name for name in names if not _feed(name, how)]
    for name in failed:
        for file in sorted((FOLDER / name).glob("*-*")):
            print(f"does not hold: {sys.executable} -m tests.fuzz.run {name} {file}")
    return 1 if failed else 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description="Feed fuzz targets.")
    parser.add_argument("target", nargs="?", choices=[*TARGETS, "all"], default="all", metavar="TARGET")
    parser.add_argument("files", nargs="*", type=Path, help="repeat these inputs, and feed nothing")
    parser.add_argument("--time", default="60s", help="for each target: 30s, 10m, 2h")
    parser.add_argument("--merge", action="store_true", help="take what adds coverage from .fuzz into the corpus")
    options = parser.parse_args(arguments)
    time = re.fullmatch(r"([0-9]+)([smh]?)", options.time)
    if time is None:
        parser.error(f'time "{options.time}": write a number and s, m or h, such as 10m')
    options.seconds = int(time[1]) * _UNITS[time[2]]
    if options.files and options.target == "all":
        parser.error("name the target of the files")
    return options


def _feed(name: str, how: str) -> bool:
    """Whether everything held. In a process of its own: a crash of a compiled library ends that one only."""
    print(f"=== {name}: {TARGETS[name].oracle}", flush=True)
    return subprocess.run([sys.executable, "-m", "tests.fuzz.feed", name, how], check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
