"""Checks of secrets: who could be sent one, who never is, and what would show it. Called by `examination.py`."""

from iron_proxy.inspection.coverage import overlaps
from iron_proxy.inspection.findings import Findings
from iron_proxy.inspection.policy import PlacedAllowlist, PlacedEntry, Policy
from iron_proxy.inspection.shared_domains import is_for_every_host, is_for_names_of_others
from iron_proxy.matching.rule import Rule
from iron_proxy.matching.rule_index import RuleIndex

# As the secrets transform's own warning in the log.
SHORT_TOKEN = 8
# What writes down what it sees.
_RECORDING = ("annotate", "body_capture")


def check_secrets(policy: Policy, findings: Findings) -> None:
    """IP201 to IP208."""
    for placed in policy.secrets:
        _check_rules(placed, policy, findings)
        _check_entry(placed, findings)
    _check_order(policy, findings)


def _check_rules(placed: PlacedEntry, policy: Policy, findings: Findings) -> None:
    entry = placed.entry
    if not entry.rules:
        _add("IP206", placed, findings, "has no rules")
        return
    for rule in entry.rules:
        if is_for_every_host(rule) or is_for_names_of_others(rule):
            what = "every host" if is_for_every_host(rule) else "names that anybody can have"
            _add("IP201", placed, findings, f'goes to "{rule.describe()}", which is {what}', rule)
    for allowlist in policy.allowlists:
        if allowlist.is_enforced and not any(_is_admitted(rule, allowlist) for rule in entry.rules):
            _add("IP202", placed, findings, f"is for hosts that {allowlist.key} does not admit", entry.rules[0])
    for rule in entry.rules:
        _check_passthrough(rule, placed, policy, findings)


def _is_admitted(rule: Rule, allowlist: PlacedAllowlist) -> bool:
    return any(overlaps(rule, other) for other in _near(rule, allowlist.index))


def _near(rule: Rule, index: RuleIndex) -> tuple[Rule, ...]:
    """For a single host the index knows the few rules that have it."""
    if rule.host is not None and rule.host.exact is not None:
        return index.candidates(rule.host.exact)
    return index.rules


def _check_passthrough(rule: Rule, placed: PlacedEntry, policy: Policy, findings: Findings) -> None:
    if rule.schemes == {"http"}:
        return
    needs = "is required" if placed.entry.require else "is configured"
    if policy.config.tls.mode == "sni-only":
        _add("IP203", placed, findings, f'{needs} for "{rule.describe()}", and tls.mode is sni-only', rule)
        return
    for passed in (*policy.passthrough, *policy.bypassed):
        if overlaps(passed, rule):
            message = f'{needs} for "{rule.describe()}", which {passed.place} ("{passed.describe()}") lets pass unseen'
            _add("IP203", placed, findings, message, rule)
            return


def _check_entry(placed: PlacedEntry, findings: Findings) -> None:
    entry = placed.entry
    if entry.allow_plaintext:
        _add("IP204", placed, findings, "may go over plain HTTP to public hosts")
    if entry.replacement is not None and len(entry.replacement.token) < SHORT_TOKEN:
        _add("IP205", placed, findings, f"has a proxy token of {len(entry.replacement.token)} characters")
    if not entry.redact_responses:
        _add("IP207", placed, findings, "is left in responses")


def _check_order(policy: Policy, findings: Findings) -> None:
    has_secrets = False
    for index, (name, configured) in enumerate(zip(policy.pipeline.names, policy.config.transforms, strict=True)):
        has_secrets = has_secrets or name == "secrets"
        if has_secrets and name in _RECORDING:
            findings.add("IP208", configured.line, f"transforms[{index}]", f"{name} stands behind secrets")


def _add(
    check_id: str, placed: PlacedEntry, findings: Findings, message: str, rule: Rule | None = None
) -> None:
    line = placed.line if rule is None or rule.line is None else rule.line
    findings.add(check_id, line, placed.key, f'secret "{placed.entry.name}" {message}')
