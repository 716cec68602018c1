"""
The JSON Schema of configurations, made from what their readers ask for (`asked_keys.py`).

It accepts whatever the readers accept and refuses the keys that they refuse. What the keys mean is taken from the
reference pages. `WRITE_CONFIG_SCHEMA=1 pytest tests/docs/test_config_schema.py` writes it.
"""

import json
import re
from pathlib import Path
from typing import Any

from tests.docs.asked_keys import Asked, asked_by
from tests.docs.pages import REFERENCE, ROOT

from iron_proxy.config.reading import read_config
from iron_proxy.config.section import Section
from iron_proxy.pipeline.transform import TransformContext
from iron_proxy.secret_sources.registry import BUILDERS, SourceContext, build_source
from iron_proxy.transforms.registry import BUILT_IN, builder_for

FILES = (
    REFERENCE / "iron-proxy.schema.json",
    ROOT / "src" / "iron_proxy" / "config" / "iron-proxy.schema.json",
)
Schema = dict[str, Any]
# The variable that the listening section names is there, so that nobody warns of it.
_ENVIRONMENT = {"x": "x"}

_SCALAR: Schema = {"type": ["string", "number", "boolean", "null"]}
_WORDS = "|".join(
    dict.fromkeys(
        form(word)
        for word in ("true", "false", "yes", "no", "on", "off", "y", "n")
        for form in (str.lower, str.title, str.upper)
    )
)
_KINDS: dict[str, Schema] = {
    "text": _SCALAR,
    "integer": {"type": ["number", "string", "null"], "pattern": "^[-+]?[0-9.][0-9a-fA-FxXoO_.+-]*$"},
    "boolean": {"type": ["boolean", "string", "null"], "pattern": f"^({_WORDS})$"},
    "duration": {
        "type": ["string", "number", "null"],
        "pattern": "^$|^[-+]?(0|([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$",
        "examples": ["30s", "1h30m"],
    },
    "texts": {"type": ["array", "null"], "items": _SCALAR},
}
# Of several ways in which one key was asked for, the one that says most.
_TELLING_FIRST = (
    "mappings", "mapping", "texts_or_mappings", "texts", "choice", "boolean", "integer", "duration", "text"
)  # fmt: skip


def config_schema() -> Schema:
    """The whole schema."""
    top = asked_by(_read_all, [{"type": kind} for kind in BUILDERS])
    described = _meanings("configuration.md")
    schema = _object(top, described, "")
    schema["properties"]["transforms"]["items"] = _transform(schema["properties"]["transforms"]["items"])
    return {
        # The draft that editors know best.
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of iron-proxy",
        **schema,
    }


def schema_text() -> str:
    """The schema as it is shipped."""
    return json.dumps(config_schema(), indent=1, ensure_ascii=False) + "\n"


def _read_all(root: Section) -> None:
    config = read_config(root, {})
    for client in config.clients:
        build_source(client.section, SourceContext(_ENVIRONMENT), "password")


# --- transforms -----------------------------------------------------------------------------------------------------


def _transform(element: Schema) -> Schema:
    """`config` is what the transform of that name asks for; other names are transforms from outside."""
    element["required"] = ["name"]
    element["properties"]["name"] = {"type": "string", "examples": sorted(BUILT_IN)}
    element["properties"]["config"] = {"type": ["object", "null"]}
    element["allOf"] = [
        {
            "if": {"properties": {"name": {"const": name}}, "required": ["name"]},
            "then": {"properties": {"config": _config_of(name)}},
        }
        for name in sorted(BUILT_IN)
    ]
    return element


def _config_of(name: str) -> Schema:
    build = builder_for(name)
    variants = [{"type": kind, "source": "env"} for kind in BUILDERS]
    asked = asked_by(lambda section: build(section, TransformContext(_ENVIRONMENT, None)), variants)
    schema = _object(asked, _meanings(f"transforms/{name}.md") | _meanings("rules.md"), "")
    if name == "python":
        schema["properties"]["config"] = {"type": ["object", "null"]}        # the class's own
    return schema


# --- from what was asked to a schema --------------------------------------------------------------------------------


def _object(asked: dict[str, Asked], described: dict[str, str], path: str) -> Schema:
    properties = {}
    # What is only looked for, and not read, is there to be refused in better words.
    for key in sorted(key for key in asked if asked[key].kinds != {"anything"}):
        place = f"{path}.{key}" if path else key
        properties[key] = _described(_value(asked[key], described, place), described, place)
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


def _value(asked: Asked, described: dict[str, str], place: str) -> Schema:
    kind = next(each for each in _TELLING_FIRST if each in asked.kinds)
    if kind == "choice":
        return {"enum": [*sorted(asked.options), *_as_numbers(asked.options), "", None]}
    if kind not in ("mapping", "mappings", "texts_or_mappings"):
        return dict(_KINDS[kind])
    if kind == "mapping":
        # The seed writes `source: env` where others have a mapping.
        whole = _object(asked.below, described, place)
        return whole if "text" not in asked.kinds else {"anyOf": [whole, _SCALAR]}
    element = _object(asked.below, described, f"{place}[]") | {"type": "object"}
    items = element if kind == "mappings" else {"anyOf": [element, _SCALAR]}
    return {"type": ["array", "null"], "items": items}


def _as_numbers(options: set[str]) -> list[float]:
    """`1.2` without quotes is a number to YAML, and its text to the readers."""
    return sorted(float(option) for option in options if re.fullmatch(r"[0-9]+(\.[0-9]+)?", option))


def _described(schema: Schema, described: dict[str, str], place: str) -> Schema:
    meaning = described.get(place) or described.get(place.rpartition(".")[2])
    return {"description": meaning} | schema if meaning else schema


# --- what the pages say ---------------------------------------------------------------------------------------------


def _meanings(page: str) -> dict[str, str]:
    """From a key, as its page spells it, to the last cell of its row, as plain text."""
    meanings: dict[str, str] = {}
    is_of_keys = False
    for line in Path(REFERENCE / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
        is_of_keys = line.startswith("| key |") or (is_of_keys and line.startswith("|"))
        meaning = _plain(cells[-1])
        if is_of_keys and meaning and not meaning.startswith(("see ", "as above")):
            for key in re.findall(r"`([\w.\[\]]+)`", cells[0]):
                meanings.setdefault(key, meaning)
    return meanings


def _plain(text: str) -> str:
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("`", "")
