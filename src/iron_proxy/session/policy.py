"""
The policy of a session: the configuration's transforms, and what the flags add to them.

Hosts of `-allow` and `-secret` become rules of the allowlist (of each, where there are several: all must admit), and
`-secret` an entry of a secrets transform that runs last, so that the others see proxy tokens only. Called by
`preparation.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from iron_proxy.config.schema import Config
from iron_proxy.errors import ConfigError, SecretUnavailable
from iron_proxy.matching.rule import Rule
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.pipeline.transform import RequestTransform, TransformContext
from iron_proxy.secret_sources.environment import EnvironmentSource
from iron_proxy.secret_sources.file import FileSource
from iron_proxy.secret_sources.json_key import JSONKeySource
from iron_proxy.secret_sources.registry import SourceContext, build_source
from iron_proxy.secret_sources.source import Secret, Source, holds_line_breaks
from iron_proxy.session.policy_flags import SecretFlag
from iron_proxy.session.proxy_tokens import token_like
from iron_proxy.transforms.allowlist import Allowlist
from iron_proxy.transforms.registry import build_transforms
from iron_proxy.transforms.secrets.entries import Entry, Replacement
from iron_proxy.transforms.secrets.transform import SecretsTransform


@dataclass(frozen=True, slots=True)
class Additions:
    """What the command line adds. `observes`: nothing is refused by an allowlist, for `-learn`."""

    rules: tuple[Rule, ...] = ()
    secrets: tuple[SecretFlag, ...] = ()
    observes: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """
    What runs on requests, and what it takes secrets from.

    `tokens`: variable → what the program is to find in it. `ports`: those that rules of allowlists name.
    """

    pipeline: Pipeline
    sources: tuple[Source, ...]
    tokens: Mapping[str, str]
    ports: tuple[int, ...]
    # Kept alive, for their values are known to the last wall as long as they are.
    secrets: list[Secret] = field(default_factory=list, repr=False)

    @property
    def variables(self) -> frozenset[str]:
        """The variables that hold real values."""
        return frozenset(filter(None, map(_variable_of, self.sources)))

    @property
    def files(self) -> tuple[str, ...]:
        """The files that hold real values."""
        return tuple(filter(None, map(_file_of, self.sources)))

    async def ask_sources(self) -> None:
        """Get every value that can be had now, so that it is known where it stands in the environment."""
        for source in self.sources:
            try:
                self.secrets.append(await source.get())
            except SecretUnavailable:  # told when it is needed, as ever
                continue


def build_policy(config: Config, additions: Additions, environment: Mapping[str, str]) -> Policy:
    """
    Raises ConfigError for `-secret` without a value. What is wrong with the file is noted on its problems, and what is
    returned is not to be used then.
    """
    _check_values(additions.secrets, environment)
    context = TransformContext(environment, config.proxy.max_request_body_bytes)
    transforms = _with_rules(build_transforms(config.transforms, context), config, additions)
    entries = tuple(_entries(additions.secrets, environment))
    if entries:
        transforms.append(SecretsTransform(entries, context.max_request_body_bytes))
    rules = (rule for each in transforms if isinstance(each, Allowlist) for rule in each.rules)
    return Policy(
        Pipeline(transforms, allow_by_default=config.proxy.default_action == "allow"),
        tuple(chain(_sources_of(transforms), _client_passwords(config, environment))),
        _tokens(transforms),
        tuple(sorted({port for rule in rules for port in rule.ports})),
    )


def _with_rules(transforms: list[RequestTransform], config: Config, additions: Additions) -> list[RequestTransform]:
    rules = [*additions.rules, *(rule for flag in additions.secrets for rule in flag.rules)]
    if not any(isinstance(each, Allowlist) for each in transforms) and config.proxy.default_action != "allow":
        transforms = [Allowlist(()), *transforms]
    return [
        each.extended(rules, warn_only=additions.observes) if isinstance(each, Allowlist) else each
        for each in transforms
    ]


def _entries(flags: Iterable[SecretFlag], environment: Mapping[str, str]) -> Iterable[Entry]:
    rules: dict[str, tuple[Rule, ...]] = {}
    for flag in flags:
        rules[flag.variable] = (*rules.get(flag.variable, ()), *flag.rules)
    for variable, fitting in rules.items():
        source = EnvironmentSource(variable, environment)
        token = token_like(environment[variable])
        yield Entry(source, fitting, Replacement(token.encode("ascii")), label=variable, place=f"-secret {variable}")


def _check_values(flags: Iterable[SecretFlag], environment: Mapping[str, str]) -> None:
    problems = []
    for variable in dict.fromkeys(flag.variable for flag in flags):
        value = environment.get(variable, "")
        if not value:
            problems.append(f"-secret {variable}: the variable is not set, or empty")
        elif holds_line_breaks(value):
            problems.append(f"-secret {variable}: its value holds a line break, which cannot stand in a header field")
    if problems:
        raise ConfigError(problems)


# --- where values come from -----------------------------------------------------------------------------------------


def _entries_of(transforms: Iterable[RequestTransform]) -> Iterable[Entry]:
    return chain.from_iterable(each.entries for each in transforms if isinstance(each, SecretsTransform))


def _sources_of(transforms: Iterable[RequestTransform]) -> Iterable[Source]:
    return (entry.source for entry in _entries_of(transforms))


def _client_passwords(config: Config, environment: Mapping[str, str]) -> Iterable[Source]:
    """Nobody has to show one here; the variables and files are kept from the program all the same."""
    context = SourceContext(environment)
    built = (build_source(each.section, context, "password") for each in config.clients if each.has_password)
    return (source for source in built if source is not None)


def _tokens(transforms: Iterable[RequestTransform]) -> dict[str, str]:
    """A program looks for its key where the proxy has the real one: the first token for each variable."""
    tokens: dict[str, str] = {}
    for entry in _entries_of(transforms):
        variable = _variable_of(entry.source)
        if variable and entry.replacement is not None and not isinstance(entry.source, JSONKeySource):
            token = entry.replacement.token.decode("utf-8")
            # Those of the flags come last and count: they were made for this run.
            if variable not in tokens or entry.place == f"-secret {variable}":
                tokens[variable] = token
    return tokens


def _variable_of(source: Source) -> str:
    match source:
        case JSONKeySource():
            return _variable_of(source.inner)
        case EnvironmentSource():
            return source.name
        case _:
            return ""


def _file_of(source: Source) -> str:
    match source:
        case JSONKeySource():
            return _file_of(source.inner)
        case FileSource():
            return source.name
        case _:
            return ""
