"""
`iron-proxy learn AUDIT…`: the fewest allowlist rules that cover what audit records show, as a configuration.

How rules are made is `learning/`; here are the flags, the files and the exit status: 0 written, 1 a file cannot be read
or written, 2 wrong flags, a configuration that cannot be used, or nothing to learn from. Called by `cli/main.py`.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iron_proxy.cli.arguments import read_files_and_flags
from iron_proxy.cli.audit_files import (
    NO_FILES,
    client_names,
    file_sentence,
    judge_of,
    leave_broken_pipe,
    read_files,
    tell_unread,
)
from iron_proxy.cli.complaints import complain
from iron_proxy.cli.main import FAILURE, OK, USAGE
from iron_proxy.cli.standard_output import write_document
from iron_proxy.errors import ConfigError, StartupError, system_reason
from iron_proxy.go_compat.flags import Flag, FlagSet, ParsedFlags

if TYPE_CHECKING:                                # heavy: not for a usage error
    from iron_proxy.cli.policy_file import PolicyFile
    from iron_proxy.learning.comparison import Comparison
    from iron_proxy.learning.judge import Judge
    from iron_proxy.learning.observations import Observations
    from iron_proxy.learning.rules import LearnedRules

FLAGS = FlagSet(
    "learn AUDIT…",
    [
        Flag("from-config", "", "a configuration to compare with; it is written, with these rules in it", "FILE"),
        Flag("min-count", 1, "leave out what fewer requests had"),
        Flag("max-names", 30, "so many names in one place of a path are a list, more are *; 0 is no limit"),
        Flag("include-denied", False, "let the rules allow what was denied, too"),
        Flag("format", "yaml", "yaml is a configuration, json the rules with their evidence", "FORMAT"),
        Flag("out", "-", "the file to write; - is standard output", "FILE"),
        Flag("force", False, "overwrite the file"),
    ],
)
_FORMATS = ("yaml", "json")
# The name of what is loaded for a proof before it is written.
_UNWRITTEN = "what was learned"


@dataclass(frozen=True, slots=True)
class _Result:
    """What was learned, and how it stands to the configuration, if there is one."""

    observations: "Observations"
    learned: "LearnedRules"
    comparison: "Comparison | None"
    source: str


def run(arguments: list[str]) -> int:
    """Write rules; returns the exit status."""
    read = read_files_and_flags(FLAGS, arguments, NO_FILES)
    if isinstance(read, int):
        return read
    files, flags = read
    try:
        _check(flags)
        return _learn(files, flags)
    except ConfigError as error:
        return complain(*error.problems, status=USAGE)
    except ValueError as error:
        return complain(error, status=USAGE)
    except BrokenPipeError:
        leave_broken_pipe()
        return OK
    except StartupError as error:
        return complain(error, status=FAILURE)
    except OSError as error:
        return complain(file_sentence(error), status=FAILURE)


def _check(flags: ParsedFlags) -> None:
    if flags.text("format") not in _FORMATS:
        raise ValueError(f'-format is yaml or json; got "{flags.text("format")}"')
    for name, least in (("min-count", 1), ("max-names", 0)):
        if flags.integer(name) < least:
            raise ValueError(f"-{name} is at least {least}; got {flags.integer(name)}")
    out = flags.text("out")
    if out != "-" and os.path.lexists(out) and not flags.boolean("force"):
        raise ValueError(f"{out} is there already; write another file with -out, or overwrite it with -force")


def _learn(files: tuple[str, ...], flags: ParsedFlags) -> int:
    from iron_proxy.cli.policy_file import read_policy

    source = flags.text("from-config")
    policy = None
    if source:
        policy = read_policy(source)
        policy.problems.raise_if_any()
    observations = _observe(files, policy, include_denied=flags.boolean("include-denied"))
    result = _result(observations, policy, flags)
    if flags.text("format") == "json":
        text, judge = _as_json(result), _judge_of_rules(result, policy)
    else:
        text = _as_yaml(result)
        judge = _judge_of_text(text)
    for sentence in _proof(result, judge):
        print(f"warning: {sentence}", file=sys.stderr)
    _write(text, flags.text("out"))
    _summarize(result, flags.text("out"))
    return OK


def _observe(files: tuple[str, ...], policy: "PolicyFile | None", *, include_denied: bool) -> "Observations":
    from iron_proxy.audit_reading.entries import once_each
    from iron_proxy.audit_reading.sources import ReadingTally
    from iron_proxy.learning.observations import Observations

    tally = ReadingTally()
    observations = Observations(include_denied=include_denied)
    if policy is not None:
        names, by_address = client_names(policy.config)
        observations = Observations(names, by_address, include_denied=include_denied)
    for entry in once_each(entry for entry, _ in read_files(files, tally)):
        observations.take(entry)
    tell_unread(tally)
    if not observations.requests:
        raise ValueError(_nothing(observations))
    return observations


def _nothing(observations: "Observations") -> str:
    if observations.denials:
        return "every request in these files was denied; -include-denied makes rules that would allow them"
    return "these files hold no request that policy let through; give audit files, one JSON object a line"


def _result(observations: "Observations", policy: "PolicyFile | None", flags: ParsedFlags) -> _Result:
    from iron_proxy.learning.comparison import compare
    from iron_proxy.learning.rules import learned_rules
    from iron_proxy.matching.rule_index import RuleIndex
    from iron_proxy.transforms.allowlist import Allowlist

    learned = learned_rules(
        observations, min_count=flags.integer("min-count"), max_names=flags.integer("max-names")
    )
    if policy is None:
        return _Result(observations, learned, None, "")
    allowlists = [each for each in policy.pipeline.transforms if isinstance(each, Allowlist)]
    configured = RuleIndex(rule for allowlist in allowlists for rule in allowlist.rules)
    return _Result(
        observations, learned, compare(observations, learned.rules, configured), flags.text("from-config")
    )


# --- what is written ------------------------------------------------------------------------------------------------


def _as_yaml(result: _Result) -> str:
    from iron_proxy.config.loading import read_config_file
    from iron_proxy.learning.configuration_text import new_configuration, with_rules
    from iron_proxy.learning.rule_text import comment_lines

    comments = list(comment_lines(_comments(result)))
    if not result.source:
        return new_configuration(result.learned.rules, comments)
    text = read_config_file(result.source).decode("utf-8-sig")
    return with_rules(text, result.learned.rules, comments)


def _comments(result: _Result) -> Iterator[str]:
    from iron_proxy.audit_reading.terminal_text import escaped
    from iron_proxy.learning.comparison import comparison_sentences

    seen, learned = result.observations, result.learned
    yield f"What {seen.requests} requests needed, {escaped(seen.first)} to {escaped(seen.last)}."
    yield "Behind each rule and path stands how many requests had it. A * stands for ids that varied and for names that"
    yield "were too many to list; a line that allows more than what was seen says so."
    yield from _gaps(result)
    if seen.unnamed_clients:
        names = sorted(map(escaped, seen.unnamed_clients))
        more = ", …" if len(names) > _MAX_NAMES else ""
        yield f"The rules are for every client; those seen were {', '.join(names[:_MAX_NAMES])}{more}."
    if learned.seldom_patterns:
        yield f"Left out with -min-count: {learned.seldom_requests} requests of {learned.seldom_patterns} kinds."
    if result.comparison is not None:
        yield ""
        yield from comparison_sentences(result.comparison, result.source)


_MAX_NAMES = 10


def _gaps(result: _Result) -> Iterator[str]:
    seen = result.observations
    if seen.omitted:
        yield f"NOT COVERED: {seen.omitted} requests whose method or path no rule can name, or of too many paths."
    if seen.undecided:
        yield f"Not counted: {seen.undecided} requests that the allowlist did not decide on."


def _as_json(result: _Result) -> str:
    from iron_proxy.learning.rule_text import rules_as_json

    seen, learned, comparison = result.observations, result.learned, result.comparison
    told: dict[str, object] = {
        "requests": seen.requests, "denied": seen.denials, "undecided": seen.undecided, "not_covered": seen.omitted,
        "first": seen.first, "last": seen.last,
        "seldom": {"requests": learned.seldom_requests, "kinds": learned.seldom_patterns},
        "rules": rules_as_json(learned.rules),
    }  # fmt: skip
    if comparison is not None:
        told["compared_with"] = result.source
        told["added"] = [rule.mapping() for rule in comparison.added]
        told["narrowed"] = [
            {"rule": rule.mapping(), "of": other.place, "line": other.line} for rule, other in comparison.narrowed
        ]
        told["same"] = [
            {"rule": rule.mapping(), "as": other.place, "line": other.line} for rule, other in comparison.same
        ]
        told["used"] = [
            {"place": use.rule.place, "line": use.rule.line, "text": use.rule.describe(), "requests": use.requests}
            for use in comparison.used
        ]
        told["unused"] = [
            {"place": rule.place, "line": rule.line, "text": rule.describe()} for rule in comparison.unused
        ]
    return json.dumps(told, indent=2) + "\n"


def _write(text: str, out: str) -> None:
    if out == "-":
        write_document(text)
        return
    try:
        with open(out, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StartupError(f"writing {out}: {system_reason(error)}") from error


def _summarize(result: _Result, out: str) -> None:
    from iron_proxy.audit_reading.terminal_text import escaped
    from iron_proxy.learning.comparison import comparison_sentences
    from iron_proxy.learning.rule_text import counted

    rules, comparison = result.learned.rules, result.comparison
    paths = sum(len(rule.patterns) for rule in rules)
    place = "" if out == "-" else f", written to {escaped(out)}"
    told = f"{counted(len(rules), 'rule')} with {counted(paths, 'path')}{place}"
    print(f"{counted(result.observations.requests, 'request')}: {told}", file=sys.stderr)
    if comparison is not None:
        for line in comparison_sentences(comparison, result.source):
            print(line, file=sys.stderr)


# --- the proof ------------------------------------------------------------------------------------------------------


def _proof(result: _Result, judge: "Judge") -> Iterator[str]:
    """Ask everything again, of what is to be written."""
    from iron_proxy.learning.verification import proof_of

    proof = asyncio.run(proof_of(result.observations, judge))
    not_covered = proof.not_covered + result.observations.omitted
    if not_covered:
        yield f"{not_covered} of the requests seen would not be let through by these rules"
    if proof.denied_before:
        yield f"{proof.denied_before} requests that were denied would be let through by these rules"


def _judge_of_rules(result: _Result, policy: "PolicyFile | None") -> "Judge":
    from iron_proxy.config.schema import Config
    from iron_proxy.pipeline.pipeline import Pipeline
    from iron_proxy.transforms.allowlist import Allowlist

    config = Config() if policy is None else policy.config
    return judge_of(config, Pipeline([Allowlist(rule.compiled() for rule in result.learned.rules)]))


def _judge_of_text(text: str) -> "Judge":
    """By the loaded text. Raises ConfigError for one that does not load."""
    from iron_proxy.config.loading import examine_config
    from iron_proxy.runtime.assemble import build_pipeline

    config, problems = examine_config(_UNWRITTEN, os.environ, lambda path: text.encode())
    pipeline = build_pipeline(config, os.environ)
    problems.raise_if_any()
    return judge_of(config, pipeline)
