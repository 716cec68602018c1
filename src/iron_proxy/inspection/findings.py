"""
The checks that `iron-proxy check` makes: one id each, why it matters and what to do; and findings made of them.

An id never changes its meaning, so that people may search for it and scripts rely on it; `docs/reference/checks.md`
has a section for each (a test). Which configurations a check is about is told in the files `*_checks.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that may be found. `why` and `remedy` are sentences for whoever finds it."""

    id: str
    title: str
    why: str
    remedy: str
    severity: Severity = "warning"


class Finding(Struct, frozen=True):
    """One check at one place. `line` is None where the file does not say it, `key` "" where no key is to blame."""

    id: str
    severity: Severity
    file: str
    line: int | None
    key: str
    message: str
    why: str
    remedy: str


CHECKS: dict[str, Check] = {
    check.id: check
    for check in (
        Check(
            "IP001", "cannot be used", "A start with this configuration fails.", "Mend what the sentence names.",
            "error",
        ),
        Check(
            "IP002", "start-up warning", "A start goes on, and says the same in its log.",
            "The sentence says what was probably meant.",
        ),
        Check(
            "IP101", "duplicate rule", "The second one changes nothing, and whoever removes one is not done.",
            "Remove one of them.",
        ),
        Check(
            "IP102", "dead rule", "Another rule admits everything that this one does, so it restricts nothing.",
            "Remove this rule, or narrow the other one if this was to be the limit.",
        ),
        Check(
            "IP103", "rule for every host", "A workload may send anything anywhere.",
            "Name the hosts that the workload needs; `warn: true` shows which they are.",
        ),
        Check(
            "IP104", "rule for names of others",
            "Anybody can have a name there, and a workload may send anything to it.", "Name the domains themselves.",
        ),
        Check(
            "IP105", "no allowlist", "Every request is denied.",
            "Add an allowlist transform, or say proxy.default_action: allow.",
        ),
        Check(
            "IP106", "everything is allowed", "Without an allowlist a workload may send anything anywhere.",
            "Add an allowlist transform.",
        ),
        Check(
            "IP107", "rule for addresses that are never dialled",
            "What proxy.upstream_deny_cidrs says counts for every destination, also for one that a rule names.",
            "Take the range out of proxy.upstream_deny_cidrs, or remove the rule.",
        ),
        Check(
            "IP108", "rule that cannot be decided",
            "TLS to this host is passed through, so method and path are not seen and the rule admits nothing.",
            "Take the host out of tls.passthrough, or leave methods and paths out of the rule.",
        ),
        Check(
            "IP201", "secret for too many hosts", "Whoever owns any of these hosts can be sent the secret.",
            "Name the hosts that the secret is for.",
        ),
        Check(
            "IP202", "secret that goes nowhere", "No rule of the allowlist admits a request that the secret is for.",
            "Add the host to the allowlist, or mend the secret's rules.",
        ),
        Check(
            "IP203", "secret for a host that is passed through",
            "The proxy does not see these requests: no token is swapped, nothing is injected, and require counts for "
            "nothing.",
            "Take the host out of the passthrough list, or out of the secret's rules.",
        ),
        Check(
            "IP204", "secret over plain HTTP", "Everybody on the way to the upstream can read it.",
            "Leave allow_plaintext out; loopback and private addresses need no permission.",
        ),
        Check(
            "IP205", "short proxy token", "A short text stands in requests by accident, and is swapped there.",
            "Make a longer one: `iron-proxy init` makes tokens of 32 characters.",
        ),
        Check("IP206", "secret without rules", "It is never used.", "Give it rules, or remove it."),
        Check(
            "IP207", "secret that may come back",
            "With redact_responses: false an upstream that echoes the request hands the secret to the workload.",
            "Leave redact_responses out.",
        ),
        Check(
            "IP208", "recorded behind the secrets",
            "A transform behind secrets sees real values, and writes them into the audit record.",
            "Put annotate and body_capture before secrets.",
        ),
        Check(
            "IP301", "CA that cannot be used", "A start with these files fails.",
            "Mend what the sentence names; `iron-proxy generate-ca` makes a new CA.", "error",
        ),
        Check(
            "IP302", "CA that expires soon", "From that day on no client trusts what the proxy signs.",
            "Make a new CA with `iron-proxy generate-ca`, and give it to the clients before that day.",
        ),
        Check(
            "IP303", "CA key that others can read",
            "Whoever has it can pass for any server towards every client that trusts the CA.",
            "Let its owner alone read it: chmod 600.",
        ),
        Check(
            "IP401", "no listener", "Nobody can reach the proxy.",
            "Set one of proxy.http_listen, proxy.https_listen and proxy.tunnel_listen.",
        ),
        Check(
            "IP402", "listener where DNS does not lead",
            "DNS answers with dns.proxy_ip, and nothing listens on that address.",
            'Listen on that address, or on all of them (":443").',
        ),
        Check(
            "IP403", "listener on a port that clients do not use",
            "A client that DNS has led here connects to port 80 or 443.",
            "Listen on these ports, bring clients to the others with proxy.transparent, or switch dns off.",
        ),
        Check(
            "IP501", "user that the proxy cannot become", "A start on this machine fails.",
            "Mend what the sentence names.", "error",
        ),
        Check(
            "IP601", "more connections than open files",
            "Each connection takes two descriptors, with the one to its upstream; without them requests fail.",
            "Lower limits.connections, or raise the limit of open files (ulimit -n, LimitNOFILE).",
        ),
        Check(
            "IP602", "share of all connections",
            "One client can take all of them, and then no other is served.",
            "Set limits.connections_per_client below limits.connections, or leave it out for three quarters.",
        ),
    )
}  # fmt: skip


class Findings:
    """What has been found in one file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: list[Finding] = []

    def add(self, check_id: str, line: int | None, key: str, message: str) -> None:
        """Note a finding."""
        check = CHECKS[check_id]
        finding = Finding(check.id, check.severity, self._file, line, key, message, check.why, check.remedy)
        if finding not in self._found:
            self._found.append(finding)

    def __iter__(self) -> Iterator[Finding]:
        """In the order of the file; what has no line comes first."""
        return iter(sorted(self._found, key=lambda each: (each.severity != "error", each.line or 0, each.id)))

    def count(self, severity: Severity) -> int:
        """How many there are of one kind."""
        return sum(each.severity == severity for each in self._found)
