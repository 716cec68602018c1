"""
The presets: one YAML file each, beside this module, read when it is asked for.

A rule has the keys of an allowlist's rule, a `why`, and `optional: true` where the program does its work without it. A
secret has `var`, `hosts`, `headers`, `query` and `token_prefix`. Called by `composition.py` and `cli/init.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

from iron_proxy.config.loading import parse_config
from iron_proxy.config.problems import Problems, did_you_mean
from iron_proxy.config.section import Section

_PACKAGE = "iron_proxy.presets"


@dataclass(frozen=True, slots=True)
class PresetRule:
    """One rule, and what it is for. `host` may be a range of addresses."""

    host: str
    why: str = ""
    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class PresetSecret:
    """A secret: the proxy's variable, where it may go, and where its token is looked for (no headers means all)."""

    variable: str
    hosts: tuple[str, ...]
    headers: tuple[str, ...] = ()
    in_query: bool = False
    token_prefix: str = ""


@dataclass(frozen=True, slots=True)
class Preset:
    """What one program needs."""

    name: str
    about: str
    rules: tuple[PresetRule, ...]
    secrets: tuple[PresetSecret, ...] = ()


def preset_names() -> list[str]:
    """Every preset, by name."""
    found = (entry.name for entry in files(_PACKAGE).iterdir())
    return sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml"))


def read_presets(names: Iterable[str]) -> list[Preset]:
    """The presets that a user has named, each once. Raises ValueError with a sentence for one that is not there."""
    known = preset_names()
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in known:
            raise ValueError(f'there is no preset "{name}"{did_you_mean(name, known)}; there are {", ".join(known)}')
    return [read_preset(name) for name in wanted]


def read_preset(name: str) -> Preset:
    """The preset of that name, which must be one of `preset_names`. Raises ConfigError if its file is not in order."""
    text = files(_PACKAGE).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    problems = Problems(f"preset {name}")
    root = parse_config(text, problems.source, problems)
    preset = Preset(
        name,
        root.required_text("about"),
        tuple(map(_rule, root.sections("rules"))),
        tuple(map(_secret, root.sections("secrets"))),
    )
    root.finish()
    problems.raise_if_any()
    return preset


def _rule(section: Section) -> PresetRule:
    rule = PresetRule(
        section.required_text("host"),
        section.required_text("why"),
        tuple(section.texts("methods")),
        tuple(section.texts("paths")),
        section.boolean("optional"),
    )
    section.finish()
    return rule


def _secret(section: Section) -> PresetSecret:
    secret = PresetSecret(
        section.required_text("var"),
        tuple(section.texts("hosts")),
        tuple(section.texts("headers")),
        section.boolean("query"),
        section.text("token_prefix"),
    )
    section.finish()
    return secret
