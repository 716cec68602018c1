"""
`iron-proxy check`: what is wrong or doubtful in a configuration, before it is served.

What is looked for is `inspection/`; here are the flags, the printing and the exit status: 0 nothing or warnings, 1
warnings with -strict, 2 errors. Nothing is bound, and no secret is asked for. Called by `cli/main.py`.
"""

import sys
from typing import TYPE_CHECKING

from iron_proxy.cli.arguments import read_flags
from iron_proxy.cli.main import FAILURE, OK, USAGE
from iron_proxy.cli.policy_file import read_policy
from iron_proxy.cli.standard_output import write_document
from iron_proxy.errors import ConfigError
from iron_proxy.go_compat.flags import Flag, FlagSet

if TYPE_CHECKING:                                # heavy: not for a usage error
    from iron_proxy.inspection.findings import Findings

FLAGS = FlagSet(
    "check",
    [
        Flag("config", "", "the YAML file; without it, environment and defaults only", "FILE"),
        Flag("strict", False, "let warnings end in status 1"),
        Flag("no-files", False, "leave the CA's files alone: for a machine that does not have them"),
        Flag("json", False, "print one JSON object"),
    ],
)
# Sentences that name the remedy themselves.
_TELLING = ("IP001", "IP002", "IP301")


def run(arguments: list[str]) -> int:
    """Check a configuration; returns the exit status."""
    flags = read_flags(FLAGS, arguments, "; the file is given as: -config FILE")
    if isinstance(flags, int):
        return flags
    findings = _findings(flags.text("config"), reads_files=not flags.boolean("no-files"))
    if flags.boolean("json"):
        _print_json(findings)
    else:
        _print(findings)
    if findings.count("error"):
        return USAGE
    return FAILURE if findings.count("warning") and flags.boolean("strict") else OK


def _findings(path: str, *, reads_files: bool) -> "Findings":
    from iron_proxy.inspection.examination import examine, note_sentences
    from iron_proxy.inspection.findings import Findings
    from iron_proxy.runtime.open_files import reachable_open_files

    try:
        policy = read_policy(path)
    except ConfigError as error:                 # a file that cannot be read or parsed
        findings = Findings(path)
        note_sentences("IP001", error.problems, findings, path)
        return findings
    # Without files it is another machine that will serve, and nobody knows how many descriptors it has.
    descriptors = reachable_open_files() if reads_files else None
    return examine(
        policy.config, policy.problems, policy.pipeline, reads_files=reads_files, descriptors=descriptors
    )


def _print(findings: "Findings") -> None:
    for each in findings:
        place = each.file if each.line is None else f"{each.file}:{each.line}"
        key = f"{each.key}: " if each.key else ""
        print(f"{place}: {each.severity} {each.id}: {key}{each.message}")
        if each.id not in _TELLING:
            print(f"    {each.why} {each.remedy}")
    errors, warnings = findings.count("error"), findings.count("warning")
    print(f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}", file=sys.stderr)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _print_json(findings: "Findings") -> None:
    import msgspec

    told = {
        "errors": findings.count("error"),
        "warnings": findings.count("warning"),
        "findings": list(findings),
    }
    write_document(msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n")
