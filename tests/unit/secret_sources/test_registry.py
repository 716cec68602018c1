"""From a `source:` mapping to a source, with every problem told."""

import textwrap
from pathlib import Path

import pytest
from tests.fakes.secret_source import FakeSource

from iron_proxy.config.loading import parse_config
from iron_proxy.config.problems import Problems
from iron_proxy.secret_sources.registry import SourceContext, build_source, describe
from iron_proxy.secret_sources.source import Source


def build(yaml: str) -> tuple[Source | None, list[str]]:
    problems = Problems("test.yaml")
    section = parse_config(textwrap.dedent(yaml), "test.yaml", problems)
    return build_source(section, SourceContext({"K": "sk-real", "J": '{"a": "inner"}'})), problems.errors


async def test_env_is_built_by_its_type() -> None:
    source, problems = build("source: {type: env, var: K}")

    assert source is not None
    assert not problems
    assert (source.name, (await source.get()).reveal()) == ("K", "sk-real")


async def test_file_is_built_with_all_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("from-file\n")

    source, problems = build(f"source: {{type: file, path: {path}, trim: yes, ttl: 15m, failure_ttl: 5s}}")

    assert source is not None
    assert not problems
    assert (source.name, (await source.get()).reveal()) == (str(path), "from-file")


async def test_json_key_goes_with_every_type() -> None:
    source, problems = build("source: {type: env, var: J, json_key: a}")

    assert source is not None
    assert not problems
    assert (source.name, (await source.get()).reveal()) == ("J", "inner")


async def test_scalars_are_taken_as_they_are_written() -> None:
    source, _ = build("source: {type: env, var: 0123, ttl: whatever}")

    assert source is not None
    assert source.name == "0123"


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("other: 1", "test.yaml:1: source.type is required"),
        ("source:", "test.yaml:1: source.type is required"),
        ("source: {}", "test.yaml:1: source.type is required"),
        ("source: {var: K}", "test.yaml:1: source.type is required"),
        ("source: env", "source: must be a mapping"),
        ("source: {type: [env]}", "source.type: must be a string"),
        ("source: {type: env}", 'source: env source requires "var" field'),
        ("source: {type: file}", 'source: file source requires "path" field'),
        ("source: {type: file, path: p, ttl: soon}", 'parsing ttl "soon": time: invalid duration "soon"'),
        ("source: {type: file, path: p, failure_ttl: 30}", 'parsing failure_ttl "30": time: missing unit'),
        ("source: {type: file, path: p, trim: maybe}", "source.trim: must be true or false"),
        ("source: {type: env, var: K, pth: x}", "source.pth: unknown key"),
        ("source: {type: fil, path: p}", 'unsupported source type "fil" (did you mean "file"?)'),
        ("source: {type: smoke}", 'unsupported source type "smoke"'),
        ("source: {type: vault, address: x}", 'source type "vault" is not available in this version'),
        ("source: {type: aws_sm, secret_id: x}", 'source type "aws_sm" is not available in this version'),
        ("source: {type: env, var: K, json_key: [a]}", "source.json_key: must be a string"),
    ],
    ids=lambda text: text if text.startswith("source") else None,
)  # fmt: skip
def test_a_problem_names_its_place(yaml: str, problem: str) -> None:
    _, problems = build(yaml)

    assert any(problem in line for line in problems), problems


async def test_a_file_may_hold_base64(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("ZnJvbS1maWxl\n")

    source, problems = build(f"source: {{type: file, path: {path}, base64: true}}")

    assert source is not None
    assert not problems
    assert (await source.get()).reveal() == "from-file"


@pytest.mark.parametrize(
    ("yaml", "description"),
    [
        ("source: {type: env, var: K}", "env K"),
        ("source: {type: file, path: /run/key}", "file /run/key"),
        ("source: {type: env, var: J, json_key: a}", "env J, key a"),
    ],
    ids=["env", "file", "json_key"],
)
def test_a_source_is_described_for_people(yaml: str, description: str) -> None:
    source, _ = build(yaml)

    assert source is not None
    assert describe(source) == description


def test_another_source_is_described_by_its_name() -> None:
    assert describe(FakeSource("elsewhere", "x")) == "elsewhere"


def test_a_value_with_lines_is_told_with_its_place_unless_it_is_json(caplog: pytest.LogCaptureFixture) -> None:
    section = parse_config("source: {type: env, var: K}\nother: {type: env, var: K, json_key: a}\n", "test.yaml")
    context = SourceContext({"K": "{\n}"})

    build_source(section, context)
    build_source(section, context, "other")

    [record] = caplog.records
    assert vars(record)["fields"]["place"] == "source"
