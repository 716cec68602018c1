"""
A configuration as text, with a comment for every rule: what `iron-proxy init` writes.

It is for a proxy on the same machine that programs are told about (`tunnel_listen`). `iron-proxy check` has nothing to
say about it once the CA is there: a rule that another one covers is left out. Called by `cli/init.py`.
"""

import json
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from iron_proxy.inspection.coverage import covers
from iron_proxy.matching.host_patterns import CIDRPattern, HostPattern
from iron_proxy.matching.path_patterns import PathPattern
from iron_proxy.matching.rule import Rule
from iron_proxy.presets.catalogue import Preset, PresetRule, PresetSecret

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# 128 bits: nobody guesses one, and none stands in a request by accident.
_TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True)
class Draft:
    """What goes into the file. Each rule and secret comes with the name of its preset, "" for the user's own."""

    rules: tuple[tuple[str, PresetRule], ...]
    secrets: tuple[tuple[str, PresetSecret], ...]


@dataclass(frozen=True, slots=True)
class Composed:
    """The text of the file, and for each variable of the proxy the token that the workload gets in its place."""

    text: str
    tokens: dict[str, str]


def draft_of(presets: Sequence[Preset], hosts: Sequence[str], own_secrets: Sequence[str]) -> Draft:
    """
    What presets, hosts (`--allow`) and secrets (`--secret VAR@HOST`) come to.

    Raises ValueError with a sentence for a host or secret that cannot be one.
    """
    found = [(preset.name, rule) for preset in presets for rule in preset.rules]
    wanted = [("", parse_secret(text)) for text in own_secrets]
    own = [*hosts, *(host for _, secret in wanted for host in secret.hosts)]
    found += [("", PresetRule(_checked_host(host))) for host in dict.fromkeys(own)]
    by_variable: dict[str, tuple[str, PresetSecret]] = {}
    for name, secret in [*((preset.name, each) for preset in presets for each in preset.secrets), *wanted]:
        by_variable[secret.variable] = (name, _joined(by_variable.get(secret.variable, (name, secret))[1], secret))
    return Draft(tuple(_without_covered(found)), tuple(by_variable.values()))


def parse_secret(text: str) -> PresetSecret:
    """Read `VAR@HOST`. Raises ValueError."""
    variable, at, host = text.partition("@")
    if not at or not _VARIABLE.fullmatch(variable):
        raise ValueError(f'"{text}" is not a secret; write VAR@HOST, as in GITHUB_TOKEN@api.github.com')
    return PresetSecret(variable, (_checked_host(host),))


def compose(draft: Draft, title: str, make_random: Callable[[int], str] = secrets.token_hex) -> Composed:
    """Write the file. `title` is the command that asked for it; each secret gets a token of its own."""
    tokens = {
        secret.variable: f"{secret.token_prefix}proxy-{make_random(_TOKEN_BYTES)}" for _, secret in draft.secrets
    }
    lines = [_HEAD.format(title=title.replace("\n", " ")), *_allowlist(draft), *_secrets(draft, tokens), _TAIL]
    return Composed("\n".join(lines), tokens)


# --- what goes in ---------------------------------------------------------------------------------------------------


def _checked_host(host: str) -> str:
    parse: Callable[[str], object] = CIDRPattern.parse if _is_range(host) else HostPattern.parse
    parse(host)
    return host


def _is_range(host: str) -> bool:
    return "/" in host and "://" not in host


def _joined(earlier: PresetSecret, later: PresetSecret) -> PresetSecret:
    """One variable that is named twice is one secret for the hosts of both."""
    if earlier is later:
        return later
    hosts = tuple(dict.fromkeys((*earlier.hosts, *later.hosts)))
    headers = tuple(dict.fromkeys((*earlier.headers, *later.headers))) if earlier.headers and later.headers else ()
    prefix = earlier.token_prefix or later.token_prefix
    return PresetSecret(earlier.variable, hosts, headers, earlier.in_query or later.in_query, prefix)


def _without_covered(found: Sequence[tuple[str, PresetRule]]) -> Iterator[tuple[str, PresetRule]]:
    """Leave out what another rule admits anyway: of two that say the same, the later one."""
    compiled = [(name, rule, compiled_rule(rule)) for name, rule in found]
    for position, (name, rule, own) in enumerate(compiled):
        others = (
            other
            for place, (_, partner, other) in enumerate(compiled)
            if place != position
            and (not partner.is_optional or rule.is_optional)
            and covers(other, own)
            and (place < position or not covers(own, other))
        )
        if next(others, None) is None:
            yield name, rule


def compiled_rule(rule: PresetRule) -> Rule:
    """A preset's rule as the engine has it."""
    paths = tuple(map(PathPattern.parse, rule.paths))
    if "/" in rule.host:
        return Rule(cidr=CIDRPattern.parse(rule.host), methods=frozenset(rule.methods), paths=paths)
    return Rule(host=HostPattern.parse(rule.host), methods=frozenset(rule.methods), paths=paths)


# --- the text -------------------------------------------------------------------------------------------------------

_HEAD = """\
# yaml-language-server: $schema=./iron-proxy.schema.json
# (for editors: iron-proxy schema > iron-proxy.schema.json)
#
# Written by: {title}
# A rule that is marked (off) is a comment; take its # away to switch it on.

dns:
  enabled: false                    # programs are told where the proxy is: HTTPS_PROXY=http://127.0.0.1:8080

proxy:
  http_listen: "off"
  https_listen: "off"
  tunnel_listen: "127.0.0.1:8080"   # CONNECT and SOCKS5, from this machine only
  denial_body: explain              # who is denied is told which rule would help

tls:
  ca_cert: "ca.crt"                 # made by: iron-proxy generate-ca
  ca_key: "ca.key"

transforms:
  - name: allowlist                 # what no rule names is denied
    config:
      rules:"""

_TAIL = """\

metrics:
  listen: "127.0.0.1:9090"          # /healthz
"""


def _allowlist(draft: Draft) -> Iterator[str]:
    if not any(not rule.is_optional for _, rule in draft.rules):
        yield "        []"
    for name, rule in draft.rules:
        if name:
            yield f"        # {name}: {rule.why}{' (off)' if rule.is_optional else ''}"
        mark = "        # " if rule.is_optional else "        "
        key = "cidr" if "/" in rule.host else "host"
        yield f"{mark}- {key}: {_quoted(rule.host)}"
        if rule.methods:
            yield f"{mark}  methods: {_quoted(rule.methods)}"
        if rule.paths:
            yield f"{mark}  paths: {_quoted(rule.paths)}"


def _secrets(draft: Draft, tokens: dict[str, str]) -> Iterator[str]:
    if not draft.secrets:
        return
    yield ""
    yield "  - name: secrets                   # workloads hold the proxy_value; the real one never leaves the proxy"
    yield "    config:"
    yield "      secrets:"
    for name, secret in draft.secrets:
        if name:
            yield f"        # {name}"
        yield f"        - source: {{type: env, var: {secret.variable}}}"
        yield "          replace:"
        yield f"            proxy_value: {_quoted(tokens[secret.variable])}"
        if secret.headers:
            yield f"            match_headers: {_quoted(secret.headers)}"
        if secret.in_query:
            yield "            match_query: true"
        yield "          rules:"
        for host in secret.hosts:
            yield f"            - {'cidr' if '/' in host else 'host'}: {_quoted(host)}"


def _quoted(value: str | Sequence[str]) -> str:
    """A value in YAML's flow style, which JSON is."""
    return json.dumps(value, ensure_ascii=False)
