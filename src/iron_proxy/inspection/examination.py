"""
Everything that can be said about a configuration without serving it: what a start would refuse, and what is doubtful.

Called by `cli/check.py`. What each finding means is `findings.py`.
"""

import re
from collections.abc import Iterable

from iron_proxy.config.problems import Problems
from iron_proxy.config.schema import Config
from iron_proxy.inspection.ca_checks import check_ca
from iron_proxy.inspection.findings import Findings
from iron_proxy.inspection.limit_checks import check_limits
from iron_proxy.inspection.listener_checks import check_listeners
from iron_proxy.inspection.policy import Policy
from iron_proxy.inspection.process_checks import check_process
from iron_proxy.inspection.rule_checks import check_rules
from iron_proxy.inspection.secret_checks import check_secrets
from iron_proxy.pipeline.pipeline import Pipeline

# `FILE:LINE: KEY: SENTENCE`, as `Problems` writes it; line and key may be missing.
_PLACE = re.compile(r"(?::(?P<line>[0-9]+))?: (?:(?P<key>[\w.\[\]<-]+): )?(?P<message>.*)", re.DOTALL)


def examine(
    config: Config,
    problems: Problems,
    pipeline: Pipeline,
    *,
    reads_files: bool = True,
    descriptors: int | None = None,
) -> Findings:
    """
    The findings about one configuration; with errors among them nothing else is looked at.

    `reads_files`: whether the CA's files are there to be read. `descriptors`: how many a process may have open where
    this configuration will be served, None where nobody knows.
    """
    findings = Findings(problems.source)
    note_sentences("IP001", problems.errors, findings, problems.source)
    note_sentences("IP002", problems.warnings, findings, problems.source)
    if problems.errors:
        return findings
    policy = Policy.of(config, pipeline)
    check_rules(policy, findings)
    check_secrets(policy, findings)
    check_listeners(config, findings)
    check_process(config, findings)
    if descriptors is not None:
        check_limits(config, descriptors, findings)
    if reads_files:
        check_ca(config, findings)
    return findings


def note_sentences(check_id: str, sentences: Iterable[str], findings: Findings, source: str) -> None:
    """Findings of sentences that name their place themselves."""
    for sentence in sentences:
        place = _PLACE.fullmatch(sentence.removeprefix(source)) if sentence.startswith(source) else None
        if place is None:
            findings.add(check_id, None, "", sentence)
        else:
            line = int(place["line"]) if place["line"] else None
            findings.add(check_id, line, place["key"] or "", place["message"])
