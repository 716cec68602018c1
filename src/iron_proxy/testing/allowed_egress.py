"""
What tests may reach: lines such as `api.example.com:443`, and files of rules, as rules of an allowlist.

The proxy enforces them on what goes through it; what goes past it is asked about here (`direct_egress.py`).
"""

import ipaddress
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iron_proxy.config.loading import parse_config, read_config_file
from iron_proxy.config.problems import Problems
from iron_proxy.config.section import Section
from iron_proxy.errors import BadRequest, ConfigError
from iron_proxy.matching.rule import Rule, rules_from
from iron_proxy.messages.authority import Target, parse_target


@dataclass(frozen=True, slots=True)
class AllowedEgress:
    """Rules as YAML has them, and the same compiled."""

    mappings: tuple[Mapping[str, Any], ...] = ()
    rules: tuple[Rule, ...] = ()

    def __add__(self, other: "AllowedEgress") -> "AllowedEgress":
        return AllowedEgress(self.mappings + other.mappings, self.rules + other.rules)

    @property
    def key(self) -> str:
        """Equal for equal rules."""
        return json.dumps(self.mappings, sort_keys=True)

    def admits_directly(self, host: str, port: int) -> bool:
        """Whether any request may be sent there: of a connection past the proxy nobody sees methods and paths."""
        target = target_of(host, port)
        return target is not None and any(
            rule.could_match(target) and not (rule.methods or rule.paths or rule.clients)
            for rule in self.rules
        )

    def admits_name(self, host: str) -> bool:
        """Whether any rule is about this name: then it may be looked up."""
        return any(rule.host is not None and rule.host.matches(host) for rule in self.rules)


def allowed_by_lines(lines: Iterable[str], source: str) -> AllowedEgress:
    """
    From lines `HOST`, `HOST:PORT`, `ADDRESS` or `CIDR`, where a host may be `*.example.com`.

    `source` says in errors where they stand. Raises ConfigError.
    """
    mappings = [_mapping_of(line, source) for line in lines]
    return _compiled(json.dumps({"rules": mappings}), source)


def allowed_by_file(path: Path) -> AllowedEgress:
    """From a YAML file with a list `rules`, such as `--egress-record` writes. Raises ConfigError with file and line."""
    try:
        text = read_config_file(str(path)).decode("utf-8-sig")
    except OSError as error:
        reason = (error.strerror or "not a usable path").lower()
        raise ConfigError([f"egress_rules: {path}: {reason}; pytest --egress-record={path} writes it"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"egress_rules: {path}: the file is not UTF-8; save it as UTF-8"]) from error
    return _compiled(text, str(path))


def target_of(host: str, port: int) -> Target | None:
    """A host as a client of the operating system names it, and a port, where 0 is unknown. None for no such host."""
    authority = f"[{host}]" if ":" in host else host
    try:
        return parse_target(authority.encode("ascii"), port)
    except (BadRequest, UnicodeEncodeError):
        return None


def _mapping_of(line: str, source: str) -> dict[str, Any]:
    text = line.strip()
    if "://" in text or (("/" in text) and not _is_network(text)):
        raise ConfigError([f'{source}: "{line}": a host without scheme and path is wanted, as api.example.com:443'])
    if _is_network(text):
        return {"cidr": text} if "/" in text else {"host": text}
    host, colon, port = text.rpartition(":")
    if not colon:
        return {"host": text}
    return {"host": host.removeprefix("[").removesuffix("]"), "ports": [port]}


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _compiled(text: str, source: str) -> AllowedEgress:
    problems = Problems(source)
    section = parse_config(text, source, problems)
    mappings = tuple(part.plain() for part in _parts(section))
    rules = tuple(rules_from(section))
    section.finish()
    problems.raise_if_any()
    return AllowedEgress(mappings, rules)


def _parts(section: Section) -> list[Section]:
    return section.sections("rules")
