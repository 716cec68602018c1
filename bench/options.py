"""The options of `python -m bench`, checked. A wrong one ends the program with status 2, the usage and the reason."""

import argparse
from collections.abc import Callable

from bench.arms import ARMS
from bench.groups import all_groups
from bench.rivals.given_command import GivenCommand, parse_rival


class Options(argparse.Namespace):
    """What `parse_options` found."""

    quick: bool
    rounds: int
    seconds: int
    arm: list[str] | None
    workload: list[str] | None
    rival: list[GivenCommand]
    keep: bool
    write_docs: bool
    gate: bool
    write_baseline: bool


def parse_options(arguments: list[str]) -> Options:
    """Read the options; a wrong one ends the program with status 2 and the usage."""
    parser = _parser()
    options = parser.parse_args(arguments, Options())
    names = [arm.name for arm in (*ARMS, *options.rival)]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        parser.error(f"--rival: there is an arm named {doubled[0]} already")
    if unknown := [name for name in options.arm or () if name not in names]:
        parser.error(f"--arm: invalid choice: {unknown[0]!r} (choose from {', '.join(names)})")
    _refuse_parts(parser, options)
    if options.seconds is None:
        options.seconds = 2 if options.quick else 4
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m bench", description="Measure iron-proxy beside other proxies on this machine."
    )
    parser.add_argument("--quick", action="store_true", help="under a minute: small GET with TLS, beside nginx only")
    parser.add_argument("--rounds", type=_between(1, 100), default=3, help="rounds per workload (default 3)")
    parser.add_argument("--seconds", type=_between(1, 600), help="length of a round (default 4; with --quick 2)")
    parser.add_argument("--arm", action="append", metavar="NAME", help="only this proxy; may be repeated")
    workloads = [workload.name for group in all_groups() for workload in group.workloads]
    parser.add_argument(
        "--workload",
        action="append",
        choices=[*workloads, "scale"],
        metavar="NAME",
        help="only this one; may be repeated; `scale` is all that ask how costs grow",
    )
    parser.add_argument(
        "--rival", action="append", type=_rival, default=[], metavar="NAME=COMMAND", help="a further proxy"
    )
    parser.add_argument("--keep", action="store_true", help="git add the result, which git otherwise ignores")
    parser.add_argument("--write-docs", action="store_true", help="rewrite docs/reference/benchmarks.md from this run")
    parser.add_argument("--gate", action="store_true", help="compare the ratios to nginx with bench/baseline.json")
    parser.add_argument("--write-baseline", action="store_true", help="make bench/baseline.json from this run")
    return parser


def _refuse_parts(parser: argparse.ArgumentParser, options: Options) -> None:
    if options.write_docs and (options.quick or options.arm or options.workload):
        parser.error("--write-docs needs the whole run: leave --quick, --arm and --workload out")
    gates = options.gate or options.write_baseline
    if gates and (options.quick or options.arm or options.workload or options.rival):
        parser.error("--gate and --write-baseline choose what is run: leave --quick, --arm, --workload, --rival out")
    if options.gate and options.write_baseline:
        parser.error("--gate and --write-baseline exclude each other: a run cannot be compared with itself")
    if gates and options.write_docs:
        parser.error("--write-docs needs the whole run: leave --gate and --write-baseline out")


def _rival(text: str) -> GivenCommand:
    try:
        return parse_rival(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _between(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"must be a whole number between {low} and {high}")
        return int(text)

    return number
