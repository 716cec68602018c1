"""Checks of allowlists: rules that do nothing, rules that do too much, and none at all. Called by `examination.py`."""

from iron_proxy.config.schema import Network
from iron_proxy.inspection.coverage import covers, own_network, possible_coverers
from iron_proxy.inspection.findings import Findings
from iron_proxy.inspection.policy import PlacedAllowlist, Policy
from iron_proxy.inspection.shared_domains import is_for_every_host, is_for_names_of_others
from iron_proxy.matching.rule import Rule


def check_rules(policy: Policy, findings: Findings) -> None:
    """IP101 to IP108."""
    if policy.pipeline.denies_everything:
        findings.add("IP105", None, "transforms", "there is no allowlist, and proxy.default_action is deny")
    elif not policy.allowlists and policy.config.proxy.default_action == "allow":
        findings.add("IP106", None, "proxy.default_action", "there is no allowlist, and the default action is allow")
    for allowlist in policy.allowlists:
        order = {rule: position for position, rule in enumerate(allowlist.index.rules)}
        for rule in order:
            _check_use(rule, allowlist, order, findings)
            _check_width(rule, allowlist, findings)
            _check_dial(rule, allowlist, policy, findings)
            _check_passthrough(rule, allowlist, policy, findings)


def _check_use(rule: Rule, allowlist: PlacedAllowlist, order: dict[Rule, int], findings: Findings) -> None:
    """Of rules that cover each other the first one counts; of others the wider one."""
    for other in possible_coverers(rule, allowlist.index):
        if other is rule or not covers(other, rule):
            continue
        is_same = covers(rule, other)
        if is_same and order[other] > order[rule]:
            continue
        word = "says the same as" if is_same else "is covered by"
        message = f'"{rule.describe()}" {word} "{other.describe()}"{_where(other)}'
        findings.add("IP101" if is_same else "IP102", rule.line, f"{allowlist.key}.{rule.place}", message)
        return


def _check_width(rule: Rule, allowlist: PlacedAllowlist, findings: Findings) -> None:
    key = f"{allowlist.key}.{rule.place}"
    if is_for_every_host(rule):
        findings.add("IP103", rule.line, key, f'"{rule.describe()}" admits every host')
    elif rule.host is not None and rule.host.trap is None and is_for_names_of_others(rule):
        # A shell pattern that is wider than it looks is told when the file is read.
        findings.add("IP104", rule.line, key, f'"{rule.describe()}" admits names that anybody can have')


def _check_dial(rule: Rule, allowlist: PlacedAllowlist, policy: Policy, findings: Findings) -> None:
    denied = policy.config.proxy.upstream_deny_cidrs
    if denied is None:
        return                                     # the built-in list yields to a rule that names an address
    network = own_network(rule)
    if network is not None and _within(network, denied):
        message = f'"{rule.describe()}" lies within proxy.upstream_deny_cidrs'
        findings.add("IP107", rule.line, f"{allowlist.key}.{rule.place}", message)


def _within(network: Network, denied: tuple[Network, ...]) -> bool:
    alike = (each for each in denied if each.version == network.version)
    return any(network.subnet_of(each) for each in alike)  # type: ignore[arg-type]  # they are of one version


def _check_passthrough(rule: Rule, allowlist: PlacedAllowlist, policy: Policy, findings: Findings) -> None:
    if not (rule.methods or rule.paths) or rule.schemes == {"http"}:
        return
    key = f"{allowlist.key}.{rule.place}"
    if policy.config.tls.mode == "sni-only":
        findings.add("IP108", rule.line, key, f'"{rule.describe()}" admits no TLS with tls.mode: sni-only')
        return
    for passed in policy.passthrough:
        if covers(passed, Rule(host=rule.host, cidr=rule.cidr)):
            message = f'"{rule.describe()}" is about a host of {passed.place}'
            findings.add("IP108", rule.line, key, message)
            return


def _where(rule: Rule) -> str:
    return f" on line {rule.line}" if rule.line is not None else f" ({rule.place})"
