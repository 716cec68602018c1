"""The JSON Schema that is shipped is the one of these readers, and judges files as they do."""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # no types in it
import pytest
from ruamel.yaml import YAML
from tests.docs.config_schema import FILES, config_schema, schema_text
from tests.docs.configured_keys import keys_read_by
from tests.docs.pages import ROOT, fenced_blocks, markdown_files, text_of

from iron_proxy.config import reading
from iron_proxy.config.loading import examine_config
from iron_proxy.config.problems import Problems
from iron_proxy.proxy.client_identity import build_identities
from iron_proxy.runtime.assemble import build_pipeline
from iron_proxy.secret_sources.registry import SourceContext

EXAMPLES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "examples").rglob("*.yaml")
    if "\ntransforms:\n" in (text := path.read_text(encoding="utf-8")) and "kind:" not in text
)
PAGE_BLOCKS = [
    pytest.param(block, id=f"{page}:{number}")
    for page in markdown_files()
    for number, block in enumerate(fenced_blocks(text_of(page), "yaml"))
    if block.startswith(("# proxy.yaml\n", "transforms:\n"))
]
VALIDATOR = jsonschema.Draft7Validator(config_schema())
# Words that no reader asks for; some are near to one that it does.
STRANGE = ("zzz", "host_name", "domain", "Enabled", "listens", "proxyvalue", "x-note", "headers_", "9")


def plain(text: str) -> Any:
    """The text as an editor reads it."""
    return YAML(typ="safe", pure=True).load(text)


def complaints(document: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(document)]


def test_the_shipped_files_are_up_to_date() -> None:
    if os.environ.get("WRITE_CONFIG_SCHEMA"):
        for file in FILES:
            file.write_text(schema_text(), encoding="utf-8")

    for file in FILES:
        assert file.read_text(encoding="utf-8") == schema_text(), "WRITE_CONFIG_SCHEMA=1 writes them anew"


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(config_schema())


def test_every_key_that_is_read_is_in_it() -> None:
    read = keys_read_by("config", "matching/rule.py", "secret_sources/registry.py", "secret_sources/environment.py",
                        "secret_sources/file.py", "transforms/secrets/entries.py", "transforms/allowlist.py",
                        "transforms/annotate.py", "transforms/body_capture.py")  # fmt: skip

    assert read - set(keys_of(config_schema())) - {*reading.NOT_AVAILABLE, ""} == set()


def keys_of(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from keys_of(part)


def test_keys_say_what_they_mean() -> None:
    properties = config_schema()["properties"]

    assert properties["proxy"]["properties"]["tunnel_listen"]["description"].startswith("HTTP CONNECT, SOCKS5")
    assert properties["dns"]["properties"]["mode"]["enum"][:2] == ["intercept", "strict"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_valid_and_names_the_schema(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")

    assert complaints(plain(text)) == []
    line = next(line for line in text.splitlines() if "$schema=" in line)
    assert (ROOT / name).parent.joinpath(line.partition("$schema=")[2]).resolve() == FILES[0]


@pytest.mark.parametrize("block", PAGE_BLOCKS)
def test_what_the_pages_show_is_valid(block: str) -> None:
    assert complaints(plain(block)) == []


@pytest.mark.parametrize(
    "text",
    [
        "dns: {enabled: yes, lookups_per_minute: 0x10}",
        "proxy: {http_listen: off, upstream_response_header_timeout: 1h30m, max_request_body_bytes: 1_000}",
        "proxy: {upstream_tls: {min_version: 1.2}}",
        "tls:\nlog: {level: }",
        "transforms: [{name: somebodys, config: {anything: 1}}]",
        "transforms: [{name: python, config: {class: 'a:B', config: {anything: 1}}}]",
    ],
)
def test_what_the_readers_take_is_valid(text: str) -> None:
    assert complaints(plain(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "dns: {enabled: perhaps}",
        "dns: {mode: strickt}",
        "proxy: {upstream_response_header_timeout: soon}",
        "proxy: [http_listen]",
        "transforms: [{config: {}}]",
        "transforms: [{name: allowlist, config: {hosts: [a.test]}}]",
        "upstream_tls: {}",
    ],
)
def test_what_the_readers_refuse_is_not(text: str) -> None:
    assert complaints(plain(text)) != []


@pytest.mark.parametrize("seed", range(60))
def test_a_strange_key_is_refused_by_both_or_by_neither(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "python_transforms"))
    chance = random.Random(seed)
    document = plain((ROOT / "examples" / "iron-proxy.example.yaml").read_text(encoding="utf-8"))
    place = chance.choice(list(mappings_of(document)))
    place[chance.choice(STRANGE)] = chance.choice([1, "x", None, ["x"], {}])
    file = tmp_path / "proxy.yaml"
    file.write_text(json.dumps(document), encoding="utf-8")

    loaded = problems_of(file)

    assert any("unknown key" in error for error in loaded.errors)
    assert any("Additional properties are not allowed" in complaint for complaint in complaints(document))


def problems_of(file: Path) -> Problems:
    config, problems = examine_config(str(file), {})
    build_pipeline(config, {})
    build_identities(config.clients, SourceContext({}))
    return problems


def mappings_of(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from mappings_of(part)
