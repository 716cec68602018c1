"""The file that is written does what was asked for, and no check has anything to say about it."""

import itertools
from pathlib import Path

import pytest

from iron_proxy.config.loading import examine_config
from iron_proxy.inspection.examination import examine
from iron_proxy.inspection.explanation import explain
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.presets.catalogue import Preset, PresetRule, PresetSecret, preset_names, read_preset
from iron_proxy.presets.composition import Composed, compose, draft_of, parse_secret
from iron_proxy.runtime.assemble import build_pipeline


def composed(*presets: str, allow: tuple[str, ...] = (), secret: tuple[str, ...] = ()) -> Composed:
    return compose(draft_of([read_preset(name) for name in presets], allow, secret), "the test")


def checked(text: str, folder: Path) -> Pipeline:
    file = folder / "proxy.yaml"
    file.write_text(text, encoding="utf-8")
    config, problems = examine_config(str(file), {})
    pipeline = build_pipeline(config, {})
    assert list(examine(config, problems, pipeline, reads_files=False)) == []
    return pipeline


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_makes_a_file_without_findings(name: str, tmp_path: Path) -> None:
    checked(composed(name).text, tmp_path)


@pytest.mark.parametrize("names", [*itertools.combinations(preset_names(), 2), tuple(preset_names())])
def test_so_do_several_together(names: tuple[str, ...], tmp_path: Path) -> None:
    checked(composed(*names).text, tmp_path)


@pytest.mark.parametrize("name", preset_names())
def test_an_optional_rule_can_be_switched_on(name: str, tmp_path: Path) -> None:
    lines = composed(name).text.splitlines()
    switched = [
        line.replace("# ", "", 1) if line.strip().startswith(("# - host", "#   methods", "#   paths")) else line
        for line in lines
    ]

    checked("\n".join(switched), tmp_path)


async def test_a_program_may_do_its_work_and_its_token_is_swapped(tmp_path: Path) -> None:
    file = composed("claude-code", "npm")
    pipeline = checked(file.text, tmp_path)
    token = file.tokens["ANTHROPIC_API_KEY"]

    asked = await explain(pipeline, "POST", "https://api.anthropic.com/v1/messages", [("X-Api-Key", token)])
    installs = await explain(pipeline, "GET", "https://registry.npmjs.org/left-pad")
    publishes = await explain(pipeline, "PUT", "https://registry.npmjs.org/left-pad")
    elsewhere = await explain(pipeline, "POST", "https://statsig.anthropic.com/v1/x")

    assert (asked.verdict, [use.secret for use in asked.secrets]) == ("allowed", ["ANTHROPIC_API_KEY"])
    assert (installs.verdict, publishes.verdict, elsewhere.verdict) == ("allowed", "denied", "denied")


async def test_hosts_and_secrets_of_ones_own(tmp_path: Path) -> None:
    file = composed(allow=("*.a.test", "10.0.0.0/8"), secret=("KEY@b.test", "KEY@x.a.test", "OTHER@10.1.2.3"))
    pipeline = checked(file.text, tmp_path)

    answer = await explain(pipeline, "GET", "https://b.test/", [("X", file.tokens["KEY"])])

    assert answer.secrets[0].locations == ["header:X"]
    assert [*file.tokens] == ["KEY", "OTHER"]
    assert (await explain(pipeline, "GET", "http://10.9.9.9/")).verdict == "allowed"


def test_tokens_are_long_and_new_each_time() -> None:
    first, second = composed("codex").tokens, composed("codex").tokens

    assert first["OPENAI_API_KEY"] != second["OPENAI_API_KEY"]
    assert len(first["OPENAI_API_KEY"]) >= 32
    assert first["OPENAI_API_KEY"].startswith("sk-proj-")


def test_one_variable_is_one_secret_for_all_its_hosts() -> None:
    draft = draft_of([read_preset("git-github")], [], ["GITHUB_TOKEN@ghe.test"])

    [(_, secret)] = draft.secrets
    assert secret == PresetSecret("GITHUB_TOKEN", ("github.com", "api.github.com", "ghe.test"), (), False, "ghp_")


def test_an_optional_rule_takes_nothing_away_from_one_that_is_needed() -> None:
    one = Preset("one", "", (PresetRule("a.test", "x", is_optional=True),))
    other = Preset("other", "", (PresetRule("a.test", "y", ("GET",)), PresetRule("a.test", "z", ("GET",))))

    rules = [(name, rule.why) for name, rule in draft_of([one, other], [], []).rules]

    assert rules == [("one", "x"), ("other", "y")]


def test_nothing_at_all_is_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text(composed().text, encoding="utf-8")

    config, problems = examine_config(str(file), {})
    build_pipeline(config, {})

    assert problems.errors == []


@pytest.mark.parametrize("text", ["KEY", "KEY@", "@a.test", "K EY@a.test", "KEY@a b", "1KEY@a.test"])
def test_what_is_no_secret_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"secret|host pattern"):
        parse_secret(text)


@pytest.mark.parametrize("host", ["", "https://a.test", "a.test:443", "10.0.0.0/99", 'a"b'])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        draft_of([], [host], [])
