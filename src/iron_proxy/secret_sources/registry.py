"""
From a `source:` mapping to a `Source`: a table from the type in YAML to the function that reads its keys.

Every transform with secrets builds them here. Building does no I/O: values are fetched when first needed.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from iron_proxy.config.problems import did_you_mean
from iron_proxy.config.section import Section
from iron_proxy.secret_sources.environment import EnvironmentSource
from iron_proxy.secret_sources.file import FileSource
from iron_proxy.secret_sources.json_key import JSONKeySource
from iron_proxy.secret_sources.source import Source


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What sources may read besides their own configuration."""

    environment: Mapping[str, str]
    clock: Callable[[], float] = time.monotonic


SourceBuilder = Callable[[Section, SourceContext], Source]

BUILDERS: Mapping[str, SourceBuilder] = {
    "env": lambda section, context: EnvironmentSource.from_section(section, context.environment),
    "file": lambda section, context: FileSource.from_section(section, context.clock),
}
# Types that configurations name and this version does not serve.
LATER_TYPES = frozenset(("1password", "1password_connect", "aws_sm", "aws_ssm", "control_plane", "vault"))


def build_source(owner: Section, context: SourceContext, key: str = "source") -> Source | None:
    """The source under a key of `owner`; None after a problem, which is noted."""
    section = owner.section(key)
    if section is None:
        if not owner.has(key):
            owner.problem(None, f"{key}.type is required")
        return None
    kind = section.text("type")
    builder = BUILDERS.get(kind)
    if builder is None:
        # Parity: upstream's messages name the owner, not the mapping; the line is the mapping's.
        owner.problems.error(section.line, owner.path, _why_not(kind, key))
        return None
    source = builder(section, context)
    json_key = section.text("json_key")
    section.finish()
    return JSONKeySource(source, json_key) if json_key else source


def describe(source: Source) -> str:
    """Where a source finds its value, for people: the type and the variable or path."""
    match source:
        case JSONKeySource():
            return f"{describe(source.inner)}, key {source.key}"
        case EnvironmentSource():
            return f"env {source.name}"
        case FileSource():
            return f"file {source.name}"
        case _:
            return source.name


def _why_not(kind: str, key: str) -> str:
    if not kind:
        return f"{key}.type is required"
    if kind in LATER_TYPES:
        return f'source type "{kind}" is not available in this version; it serves {" and ".join(BUILDERS)}'
    return f'unsupported source type "{kind}"{did_you_mean(kind, {*BUILDERS, *LATER_TYPES})}'
