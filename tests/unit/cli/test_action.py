"""The command outside of a runner, and the files of the actions."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from iron_proxy.cli import action

ROOT = Path(__file__).resolve().parents[3]


def test_outside_of_a_runner_it_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNNER_TEMP", raising=False)
    monkeypatch.setenv("INPUT_MODE", "warn")

    assert action.run(["start"]) == 1
    assert "RUNNER_TEMP is not set" in capsys.readouterr().out
    assert action.run([]) == 2


@pytest.mark.parametrize("name", ["action.yml", "summary/action.yml"])
def test_every_input_is_used_and_documented_and_none_stands_in_a_script(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    loaded: dict[str, Any] = YAML(typ="safe").load(text)
    page = (ROOT / "docs" / "howto" / "use-in-github-actions.md").read_text(encoding="utf-8")

    assert all(f"inputs.{each}" in text and f"`{each}" in page for each in loaded["inputs"])
    assert all(f"`{each}`" in page for each in loaded["outputs"])
    assert not any("${{" in step["run"] for step in loaded["runs"]["steps"])
