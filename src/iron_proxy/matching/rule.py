"""
One rule as it stands in YAML: a host or a CIDR, and methods, paths, ports, schemes and clients; all of it must fit.

Every transform with `rules:` reads them here and asks them through `rule_index.py`. Rules are compared by identity:
two equal lines are two rules.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from iron_proxy.config.problems import did_you_mean
from iron_proxy.config.section import Section
from iron_proxy.matching.host_patterns import CIDRPattern, HostPattern
from iron_proxy.matching.path_patterns import PathPattern
from iron_proxy.messages.authority import Target
from iron_proxy.messages.headers import TOKEN
from iron_proxy.messages.request import Request

_METHOD = re.compile(TOKEN.decode("ascii") + "+")
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_SCHEMES = ("http", "https")
_LISTS = ("methods", "paths", "ports", "schemes", "clients")

# The elements of a list of strings, each with its line.
Texts = list[tuple[str, int]]


class Mismatch(Enum):
    """The first condition that a request fails, in the order they are looked at; the value completes a sentence."""

    CLIENT = "not the client"
    PORT = "not the port"
    SCHEME = "not the scheme"
    METHOD_OR_PATH = "not the method and path"
    AMBIGUOUS_PATH = "the path is ambiguous"


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Exactly one of `host` and `cidr`; an empty set or tuple admits anything."""

    host: HostPattern | None = None
    cidr: CIDRPattern | None = None
    methods: frozenset[str] = frozenset()
    paths: tuple[PathPattern, ...] = ()
    ports: frozenset[int] = frozenset()
    schemes: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    description: str = ""
    place: str = ""  # where it stands in its list's owner, such as `domains[3]`
    line: int | None = None  # in the file
    is_host_only: bool = field(init=False)
    _exact_paths: frozenset[str] = field(init=False, repr=False)
    _other_paths: tuple[PathPattern, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Lists of thousands of whole paths exist, and cost what one costs.
        exact = frozenset(pattern.exact for pattern in self.paths if pattern.exact is not None)
        object.__setattr__(self, "_exact_paths", exact)
        object.__setattr__(self, "_other_paths", tuple(pattern for pattern in self.paths if pattern.exact is None))
        narrows = self.methods or self.paths or self.ports or self.schemes or self.clients
        object.__setattr__(self, "is_host_only", not narrows)

    @classmethod
    def for_host(cls, text: str, place: str = "", line: int | None = None) -> "Rule":
        """A rule on a host pattern alone. Raises ValueError."""
        return cls(host=HostPattern.parse(text), description=text, place=place, line=line)

    @classmethod
    def for_cidr(cls, text: str, place: str = "", line: int | None = None) -> "Rule":
        """A rule on a range of addresses alone. Raises ValueError."""
        return cls(cidr=CIDRPattern.parse(text), description=text, place=place, line=line)

    @classmethod
    def from_section(cls, section: Section) -> "Rule | None":
        """Read one rule; None when its host or CIDR is unusable, which is noted on the section."""
        host, cidr = _destination(section)
        lists = {key: section.texts_with_lines(key) for key in _LISTS}
        rule = cls(
            host=host,
            cidr=cidr,
            methods=_methods(section, lists["methods"]),
            paths=_paths(section, lists["paths"]),
            ports=_ports(section, lists["ports"]),
            schemes=_schemes(section, lists["schemes"]),
            clients=_clients(section, lists["clients"]),
            description=_description(host or cidr, lists),
            place=section.path.rpartition(".")[2],
            line=section.line,
        )
        section.finish()
        return rule if host is not None or cidr is not None else None

    @property
    def names_address(self) -> bool:
        """Whether the operator named the destination literally: an address, a range or `localhost`."""
        return any(part is not None and part.names_address for part in (self.host, self.cidr))

    @property
    def comparisons(self) -> int:
        """How much work it is to ask this rule."""
        return max(1, len(self._other_paths))

    def describe(self) -> str:
        """The rule as the operator wrote it, on one line."""
        return self.description

    def matches(self, request: Request) -> bool:
        """Whether everything fits."""
        return self._matches_host(request.target.host) and self.mismatch_of(request) is None

    def could_match(self, target: Target, client: str = "") -> bool:
        """Whether some request of this client to this host and port would fit."""
        return self._matches_host(target.host) and self.admits_port(target.port) and self.admits_client(client)

    def admits_port(self, port: int) -> bool:
        """Whether the rule covers a port."""
        return not self.ports or port in self.ports

    def admits_client(self, client: str) -> bool:
        """Whether the rule covers a client; one that is unknown ("") is covered by rules without `clients` only."""
        return not self.clients or client in self.clients

    def mismatch_of(self, request: Request) -> Mismatch | None:
        """
        What does not fit besides the host, which the caller has matched; None when all does.

        An ambiguous path never fits a rule that has paths; "" is an unknown client.
        """
        mismatch = self.mismatch_besides_path(request)
        if mismatch is not None or not self.paths:
            return mismatch
        if request.has_ambiguous_path:
            return Mismatch.AMBIGUOUS_PATH
        path = request.path
        if path in self._exact_paths or any(pattern.matches(path) for pattern in self._other_paths):
            return None
        return Mismatch.METHOD_OR_PATH

    def mismatch_besides_path(self, request: Request) -> Mismatch | None:
        """`mismatch_of` for who knows about the path already."""
        if self.clients and request.client_name not in self.clients:
            return Mismatch.CLIENT
        if self.ports and request.target.port not in self.ports:
            return Mismatch.PORT
        if self.schemes and request.scheme not in self.schemes:
            return Mismatch.SCHEME
        if self.methods and request.method not in self.methods:
            return Mismatch.METHOD_OR_PATH
        return None

    def _matches_host(self, host: str) -> bool:
        if self.host is not None:
            return self.host.matches(host)
        return self.cidr is not None and self.cidr.matches(host)


def rules_from(section: Section, key: str = "rules") -> list[Rule]:
    """The rules under a key; absent is the empty list. What is wrong is noted on the section."""
    rules = (Rule.from_section(part) for part in section.sections(key))
    return [rule for rule in rules if rule is not None]


def rules_from_texts(section: Section, key: str, parse: Callable[[str, str, int], Rule]) -> list[Rule]:
    """Rules from a plain list of hosts or CIDRs (`Rule.for_host`, `Rule.for_cidr`); problems are noted."""
    rules = []
    for index, (text, line) in enumerate(section.texts_with_lines(key)):
        place = f"{key}[{index}]"
        try:
            rule = parse(text, place, line)
        except ValueError as error:
            section.problem_at(line, place, str(error))
            continue
        if rule.host is not None and rule.host.trap is not None:
            warn_at(section, line, place, rule.host.trap)
        rules.append(rule)
    return rules


# --- the keys of a rule ---------------------------------------------------------------------------------------------


def _destination(section: Section) -> tuple[HostPattern | None, CIDRPattern | None]:
    host_text, cidr_text = section.text("host"), section.text("cidr")
    if host_text and cidr_text:
        section.problem(None, "host and cidr are mutually exclusive")
    elif not host_text and not cidr_text:
        section.problem(None, "one of host or cidr is required")
    try:
        host = HostPattern.parse(host_text) if host_text else None
    except ValueError as error:
        section.problem("host", str(error))
        host = None
    try:
        cidr = CIDRPattern.parse(cidr_text) if cidr_text else None
    except ValueError as error:
        section.problem(None, str(error))
        cidr = None
    if host is not None and host.trap is not None:
        warn_at(section, section.line, "host", host.trap)
    return host, cidr


def _methods(section: Section, texts: Texts) -> frozenset[str]:
    if [text for text, _ in texts] == ["*"]:
        return frozenset()
    for index, (text, line) in enumerate(texts):
        place = f"methods[{index}]"
        if not _METHOD.fullmatch(text):
            section.problem_at(line, place, f'"{text}" is not a method name')
        elif text == "*":
            warn_at(section, line, place, "beside other methods * is no wildcard; leave methods out for any")
    return frozenset(text.upper() for text, _ in texts)


def _paths(section: Section, texts: Texts) -> tuple[PathPattern, ...]:
    patterns = []
    for index, (text, line) in enumerate(texts):
        try:
            pattern = PathPattern.parse(text)
        except ValueError as error:
            # Parity: upstream's message names the rule, not the element; harnesses look for it.
            section.problems.error(line, section.path, str(error))
            continue
        if pattern.trap is not None:
            warn_at(section, line, f"paths[{index}]", pattern.trap)
        patterns.append(pattern)
    # "/*" is any path: no reading of an ambiguous one can change the decision.
    return () if any(pattern.matches_all for pattern in patterns) else tuple(patterns)


def _ports(section: Section, texts: Texts) -> frozenset[int]:
    ports = set()
    for index, (text, line) in enumerate(texts):
        if _PORT.fullmatch(text) and 0 < int(text) < 65536:
            ports.add(int(text))
        else:
            section.problem_at(line, f"ports[{index}]", f'must be a port number, 1 to 65535; got "{text}"')
    return frozenset(ports)


def _schemes(section: Section, texts: Texts) -> frozenset[str]:
    for index, (text, line) in enumerate(texts):
        if text not in _SCHEMES:
            section.problem_at(line, f"schemes[{index}]", f'must be http or https; got "{text}"')
    return frozenset(text for text, _ in texts)


def _clients(section: Section, texts: Texts) -> frozenset[str]:
    known = section.problems.client_names
    for index, (text, line) in enumerate(texts):
        if text not in known:
            hint = did_you_mean(text, known) or "; it has no entry under the top-level key clients"
            section.problem_at(line, f"clients[{index}]", f'there is no client "{text}"{hint}')
    return frozenset(text for text, _ in texts)


def _description(destination: HostPattern | CIDRPattern | None, lists: dict[str, Texts]) -> str:
    parts = [destination.text] if destination is not None else []
    parts += [f"{key}=[{', '.join(text for text, _ in texts)}]" for key, texts in lists.items() if texts]
    return " ".join(parts)


def warn_at(section: Section, line: int | None, key: str, message: str) -> None:
    """Note something that loads but is likely not meant, at one place of a section."""
    section.problems.warning(line, f"{section.path}.{key}" if section.path else key, message)
