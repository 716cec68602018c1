"""Judges of a YAML text, as the commands make them."""

from iron_proxy.cli.audit_files import judge_of
from iron_proxy.config.loading import examine_config
from iron_proxy.learning.judge import Judge
from iron_proxy.runtime.assemble import build_pipeline

SILENT = 'dns: {enabled: false}\nproxy: {https_listen: "off"}\n'


def judge_for(text: str, before: str = SILENT) -> Judge:
    """What stands in `text` counts, the rest serves nothing."""
    config, problems = examine_config("test.yaml", {}, lambda _: (before + text).encode())
    pipeline = build_pipeline(config, {})
    assert problems.errors == []
    return judge_of(config, pipeline)


def allowing(*rules: str, **keys: str) -> str:
    """An allowlist with rules in flow style."""
    others = "".join(f", {key}: {value}" for key, value in keys.items())
    return f"transforms: [{{name: allowlist, config: {{rules: [{', '.join(rules)}]{others}}}}}]\n"
