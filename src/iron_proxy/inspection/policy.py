"""
A configuration taken apart for the checks: its allowlists and secrets, each with the place where it stands.

Made once from what a start would have; nothing is read or asked for. Called by `examination.py`.
"""

from dataclasses import dataclass, field

from iron_proxy.config.schema import Config
from iron_proxy.matching.rule import Rule
from iron_proxy.matching.rule_index import RuleIndex
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.transforms.allowlist import Allowlist
from iron_proxy.transforms.secrets.entries import Entry
from iron_proxy.transforms.secrets.transform import SecretsTransform


@dataclass(frozen=True, slots=True)
class PlacedEntry:
    """One secret, and its key in the file."""

    entry: Entry
    key: str
    line: int | None


@dataclass(frozen=True, slots=True)
class PlacedAllowlist:
    """One allowlist, and the key of its configuration."""

    index: RuleIndex
    key: str
    is_enforced: bool


@dataclass(slots=True)
class Policy:
    """`passthrough` are the hosts whose TLS is not read, as rules; `bypassed` those that DNS does not bring here."""

    config: Config
    pipeline: Pipeline
    allowlists: list[PlacedAllowlist] = field(default_factory=list)
    secrets: list[PlacedEntry] = field(default_factory=list)
    passthrough: list[Rule] = field(default_factory=list)
    bypassed: list[Rule] = field(default_factory=list)

    @classmethod
    def of(cls, config: Config, pipeline: Pipeline) -> "Policy":
        """Take a configuration apart that a start would accept."""
        policy = cls(config, pipeline)
        for index, transform in enumerate(pipeline.transforms):
            key = f"transforms[{index}].config"
            if isinstance(transform, Allowlist):
                policy.allowlists.append(PlacedAllowlist(RuleIndex(transform.rules), key, transform.is_enforced))
            elif isinstance(transform, SecretsTransform):
                policy.secrets += [_placed(entry, key) for entry in transform.entries]
        policy.passthrough = _rules(config.tls.passthrough, "tls.passthrough")
        policy.bypassed = _rules(config.dns.passthrough, "dns.passthrough") if config.dns.enabled else []
        return policy


def _placed(entry: Entry, key: str) -> PlacedEntry:
    line = entry.place.rpartition(":")[2]
    return PlacedEntry(entry, f"{key}.secrets", int(line) if line.isdigit() else None)


def _rules(patterns: tuple[str, ...], key: str) -> list[Rule]:
    return [Rule.for_host(text, f"{key}[{index}]") for index, text in enumerate(patterns)]
