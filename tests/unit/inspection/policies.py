"""Configurations for the checks and explanations: a YAML text to what a start would have of it."""

from collections.abc import Mapping
from pathlib import Path

from iron_proxy.config.loading import examine_config
from iron_proxy.config.problems import Problems
from iron_proxy.config.schema import Config
from iron_proxy.inspection.examination import examine
from iron_proxy.inspection.findings import Finding
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.runtime.assemble import build_pipeline

SILENT = """\
dns: {enabled: false}
metrics: {listen: "off"}
"""
PLAIN = SILENT + 'proxy: {http_listen: "127.0.0.1:0", https_listen: "off"}\n'


def read(
    text: str, folder: Path, environment: Mapping[str, str] | None = None
) -> tuple[Config, Problems, Pipeline]:
    file = folder / "proxy.yaml"
    file.write_text(text, encoding="utf-8")
    config, problems = examine_config(str(file), {})
    return config, problems, build_pipeline(config, environment or {})


def pipeline_of(text: str, folder: Path, environment: Mapping[str, str] | None = None) -> Pipeline:
    _, problems, pipeline = read(text, folder, environment)
    assert problems.errors == []
    return pipeline


def findings_of(text: str, folder: Path) -> list[Finding]:
    return list(examine(*read(text, folder), reads_files=False))


def found(text: str, folder: Path) -> list[tuple[str, int | None, str]]:
    """(id, line, key) of every finding."""
    return [(each.id, each.line, each.key) for each in findings_of(text, folder)]


def allowlist(*rules: str, **texts: str) -> str:
    """A transform with these rules, each in flow style, behind `PLAIN`."""
    listed = "".join(f"        - {rule}\n" for rule in rules)
    others = "".join(f"      {key}: {text}\n" for key, text in texts.items())
    return f"transforms:\n  - name: allowlist\n    config:\n{others}" + (f"      rules:\n{listed}" if rules else "")
