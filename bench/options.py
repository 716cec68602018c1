"""The options of `python -m bench`, checked. A wrong one ends the program with status 2, the usage and the reason."""

import argparse
from collections.abc import Callable

from bench.arms import ARMS
from bench.workloads import WORKLOADS


class Options(argparse.Namespace):
    """What `parse_options` found."""

    quick: bool
    rounds: int
    seconds: int
    arm: list[str] | None
    workload: list[str] | None
    keep: bool
    write_docs: bool


def parse_options(arguments: list[str]) -> Options:
    """Read the options; a wrong one ends the program with status 2 and the usage."""
    parser = argparse.ArgumentParser("python -m bench", description="Measure iron-proxy beside nginx on this machine.")
    names = [arm.name for arm in ARMS]
    parser.add_argument("--quick", action="store_true", help="under a minute: small GET with TLS on both sides only")
    parser.add_argument("--rounds", type=_between(1, 100), default=3, help="rounds per workload (default 3)")
    parser.add_argument("--seconds", type=_between(1, 600), help="length of a round (default 4; with --quick 2)")
    parser.add_argument("--arm", action="append", choices=names, help="only this one; may be repeated")
    workloads = [workload.name for workload in WORKLOADS]
    parser.add_argument("--workload", action="append", choices=workloads, help="only this one; may be repeated")
    parser.add_argument("--keep", action="store_true", help="git add the result, which git otherwise ignores")
    parser.add_argument("--write-docs", action="store_true", help="rewrite docs/reference/benchmarks.md from this run")
    options = parser.parse_args(arguments, Options())
    if options.write_docs and (options.quick or options.arm or options.workload):
        parser.error("--write-docs needs the whole run: leave --quick, --arm and --workload out")
    if options.seconds is None:
        options.seconds = 2 if options.quick else 4
    return options


def _between(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"must be a whole number between {low} and {high}")
        return int(text)

    return number
