"""
Three ways to write a secret in YAML, read into one `Entry`.

The seed's (`source: env` at the top, `var` and `hosts` in each entry), the older one (`proxy_value` and its company in
the entry itself), and the `replace:` and `inject:` blocks. Called when the transform is built; every problem is noted.
"""

import logging
import re
from dataclasses import dataclass

from iron_proxy.config.section import Section
from iron_proxy.matching.header_patterns import HeaderPattern, InvalidHeaderRegex
from iron_proxy.matching.rule import Rule, rules_from
from iron_proxy.messages.headers import TOKEN
from iron_proxy.messages.hop_by_hop import HOP_BY_HOP
from iron_proxy.secret_sources.environment import EnvironmentSource
from iron_proxy.secret_sources.registry import SourceContext, build_source
from iron_proxy.secret_sources.source import Source
from iron_proxy.transforms.secrets.inject import Formatter, HeaderInjection, Injection, QueryInjection

# Shorter tokens turn up in ordinary text, and a secret would go wherever they do.
_SHORT_TOKEN = 8
_TOKEN_NAME = re.compile(TOKEN.decode("ascii") + "+")
# What may stand in a query as a key without being escaped or taken for a separator.
_PARAMETER_NAME = re.compile(r"[A-Za-z0-9\-._~!$'()*,:@/\[\]]+")
# Fields that are framing, or belong to the connection: they are written by us or set apart before transforms run.
_NOT_INJECTABLE = HOP_BY_HOP | {b"host", b"content-length"}
# How a body may hide a token beside writing it plainly, and which of these are looked through unless the entry says
# otherwise: what programs do without being asked to. Base64 inside a body is rarely meant, and costs the most.
ENCODINGS = ("form", "json", "base64", "compressed")
DEFAULT_ENCODINGS = ("form", "json", "compressed")

_log = logging.getLogger("iron_proxy.secrets")


@dataclass(frozen=True, slots=True)
class Replacement:
    """The proxy token, and where it is looked for. No headers means all of them."""

    token: bytes
    headers: tuple[HeaderPattern, ...] = ()
    in_query: bool = False
    in_path: bool = False
    in_body: bool = False
    in_websocket: bool = False                # text messages, both ways
    encodings: frozenset[str] = frozenset(DEFAULT_ENCODINGS)    # of bodies
    on_oversize: str = "stream"               # a body larger than we may hold: `stream` or `reject`


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One secret: where it comes from, which requests may have it, and how it gets there (one of two ways)."""

    source: Source
    rules: tuple[Rule, ...]
    replacement: Replacement | None = None
    injection: Injection | None = None
    require: bool = False
    allow_plaintext: bool = False
    redact_responses: bool = True             # the real value is taken out of what comes back
    rejects_misuse: bool = False              # its proxy token where no rule of its own fits: refused, not only noted
    label: str = ""                           # what the operator calls it
    place: str = ""                           # where it stands: file and line

    @property
    def name(self) -> str:
        """What the audit record calls the secret."""
        return self.label or self.source.name


@dataclass(frozen=True, slots=True)
class _TopLevel:
    """The replacement keys of the two older forms, read once."""

    token: str
    headers: list[tuple[str, int]]
    in_body: bool
    require: bool

    @classmethod
    def from_section(cls, section: Section) -> "_TopLevel":
        return cls(
            section.text("proxy_value"),
            section.texts_with_lines("match_headers"),
            section.boolean("match_body"),
            section.boolean("require"),
        )

    @property
    def is_present(self) -> bool:
        return bool(self.token or self.headers or self.in_body or self.require)


def entries_from(section: Section, context: SourceContext) -> list[Entry]:
    """Every entry under `secrets`, in order; one with a problem is left out."""
    shared_source = section.text("source") if section.has("source") else ""
    if shared_source not in ("", "env"):
        section.problem("source", f'must be env; got "{shared_source}". Other sources stand in each entry')
    entries = [_entry_from(part, shared_source == "env", context) for part in section.sections("secrets")]
    section.finish()
    return [entry for entry in entries if entry is not None]


def _entry_from(section: Section, has_shared_source: bool, context: SourceContext) -> Entry | None:
    is_seed = has_shared_source and not section.has("source")
    replacement, injection, require = _mode(section, is_seed)
    source = _seed_source(section, context) if is_seed else build_source(section, context)
    rules = _rules_from_hosts(section) if is_seed else rules_from(section)
    allow_plaintext = section.boolean("allow_plaintext")
    redact_responses = section.boolean("redact_responses", True)
    rejects_misuse = section.choice("on_misuse", ("annotate", "reject"), "annotate") == "reject"
    label = section.text("name")
    section.finish()
    if source is None or (injection is None and not (replacement and replacement.token)):
        return None
    place = f"{section.problems.source}:{section.line}"
    entry = Entry(
        source, tuple(rules), replacement, injection, require, allow_plaintext, redact_responses, rejects_misuse, label,
        place,
    )  # fmt: skip
    _warn_if_doubtful(entry)
    return entry


# --- replace or inject ----------------------------------------------------------------------------------------------


def _mode(section: Section, is_seed: bool) -> tuple[Replacement | None, Injection | None, bool]:
    older = _TopLevel.from_section(section)
    replace, inject = section.section("replace"), section.section("inject")
    if older.is_present and (replace or inject):
        block = "replace" if replace else "inject"
        section.problem(None, f"cannot use both top-level proxy_value/match_headers and {block} block")
    elif replace and inject:
        section.problem(None, "cannot specify both inject and replace")
    elif replace:
        return _replace_block(section, replace)
    elif inject:
        return None, _inject_block(section, inject), inject.boolean("require")
    elif older.is_present or is_seed:
        return _older_form(section, older, is_seed)
    elif not (section.has("replace") or section.has("inject")):
        section.problem(None, "must specify either inject or replace")
    return None, None, False


def _older_form(section: Section, older: _TopLevel, is_seed: bool) -> tuple[Replacement, None, bool]:
    token = _token(section, older.token, "proxy_value")
    headers = _header_patterns(section, section, older.headers)
    # The seed's form always looks into the query and has no key for it.
    replacement = Replacement(token, headers, is_seed, False, older.in_body, *_ways_into_bodies(section))
    return replacement, None, older.require


def _replace_block(section: Section, block: Section) -> tuple[Replacement, None, bool]:
    token = _token(section, block.text("proxy_value"), "replace.proxy_value")
    replacement = Replacement(
        token,
        _header_patterns(section, block, block.texts_with_lines("match_headers")),
        block.boolean("match_query"),
        block.boolean("match_path"),
        block.boolean("match_body"),
        *_ways_into_bodies(block),
    )
    require = block.boolean("require")
    block.finish()
    return replacement, None, require


def _ways_into_bodies(section: Section) -> tuple[bool, frozenset[str], str]:
    """`match_websocket`, `encodings` and `on_oversize`."""
    encodings = section.texts_with_lines("encodings")
    for index, (text, line) in enumerate(encodings):
        if text not in ENCODINGS:
            section.problem_at(line, f"encodings[{index}]", f'must be one of {", ".join(ENCODINGS)}; got "{text}"')
    chosen = [text for text, _ in encodings] if section.has("encodings") else DEFAULT_ENCODINGS
    return (
        section.boolean("match_websocket"),
        frozenset(chosen),
        section.choice("on_oversize", ("stream", "reject"), "stream"),
    )


def _token(entry: Section, text: str, key: str) -> bytes:
    if not text:
        entry.problem(None, f"{key} is required")
    try:
        return text.encode()
    except UnicodeEncodeError:
        entry.problem(None, f"{key} holds half a character (a lone surrogate)")
        return b""


def _header_patterns(entry: Section, block: Section, texts: list[tuple[str, int]]) -> tuple[HeaderPattern, ...]:
    patterns = []
    for index, (text, line) in enumerate(texts):
        try:
            patterns.append(HeaderPattern.parse(text))
        except InvalidHeaderRegex as error:
            # Parity: upstream's message names the entry; harnesses look for it.
            entry.problems.error(line, entry.path, f'invalid match_headers regex "{error.pattern}": {error}')
        except ValueError as error:
            block.problem_at(line, f"match_headers[{index}]", str(error))
    return tuple(patterns)


def _inject_block(section: Section, block: Section) -> Injection | None:
    header, parameter = block.text("header"), block.text("query_param")
    formatter = _formatter(section, block)
    block.boolean("require")
    block.finish()
    if not header and not parameter:
        section.problem(None, "inject must specify either header or query_param")
        return None
    if header and parameter:
        section.problem(None, "inject cannot specify both header and query_param")
        return None
    if header:
        return HeaderInjection(header, formatter) if _may_be_header(block, header) else None
    if not _PARAMETER_NAME.fullmatch(parameter):
        block.problem("query_param", f'"{parameter}" cannot be a query parameter without escapes')
        return None
    return QueryInjection(parameter, formatter)


def _formatter(section: Section, block: Section) -> Formatter:
    try:
        return Formatter.parse(block.text("formatter"))
    except ValueError as error:
        section.problem(None, f"parsing formatter template: {error}")
        return Formatter()


def _may_be_header(block: Section, name: str) -> bool:
    if not _TOKEN_NAME.fullmatch(name):
        block.problem("header", f'"{name}" is not a header name')
        return False
    if name.lower().encode("ascii") in _NOT_INJECTABLE:
        block.problem("header", f"{name} is written by the proxy and cannot be injected")
        return False
    return True


# --- the seed's form ------------------------------------------------------------------------------------------------


def _seed_source(section: Section, context: SourceContext) -> Source | None:
    variable = section.text("var")
    if not variable:
        section.problem(None, 'env source requires "var" field')
        return None
    return EnvironmentSource.with_warning(variable, context.environment, section.path)


def _rules_from_hosts(section: Section) -> list[Rule]:
    rules = (_rule_from_host(part) for part in section.sections("hosts"))
    return [rule for rule in rules if rule is not None]


def _rule_from_host(section: Section) -> Rule | None:
    name, cidr = section.text("name"), section.text("cidr")
    section.finish()
    if bool(name) == bool(cidr):
        section.problem(None, "name and cidr are mutually exclusive" if name else "one of name or cidr is required")
        return None
    try:
        parse, place = Rule.for_host if name else Rule.for_cidr, section.path.rpartition(".")[2]
        rule = parse(name or cidr, place, section.line)
    except ValueError as error:
        section.problem("name" if name else "cidr", str(error))
        return None
    if rule.host is not None and rule.host.trap is not None:
        place = f"{section.problems.source}:{section.line}"
        section.problems.warnings.append(f"{place}: {section.path}.name: {rule.host.trap}")
    return rule


def _warn_if_doubtful(entry: Entry) -> None:
    fields = {"fields": {"secret": entry.name}}
    if not entry.rules:
        _log.warning("secret has no rules and is never used", extra=fields)
    if entry.replacement is not None and len(entry.replacement.token) < _SHORT_TOKEN:
        _log.warning("proxy token is short and may stand in a request by accident", extra=fields)
