"""The examples load as they are, and what can be checked of them without Docker is."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from iron_proxy.config.loading import examine_config
from iron_proxy.inspection.examination import examine
from iron_proxy.runtime.assemble import build_pipeline

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def names(pattern: str) -> list[str]:
    return sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob(pattern))


@pytest.mark.parametrize("name", [*names("proxy.yaml"), "iron-proxy.example.yaml"])
def test_an_example_configuration_loads_without_a_complaint(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES / "python_transforms"))

    config, problems = examine_config(str(EXAMPLES / name), {})
    pipeline = build_pipeline(config, {})

    assert problems.errors + problems.warnings == []
    assert list(examine(config, problems, pipeline, reads_files=False)) == []
    assert not pipeline.denies_everything


@pytest.mark.parametrize("name", names("docker-compose.yml"))
def test_a_compose_file_mounts_only_files_that_are_there(name: str) -> None:
    services = YAML(typ="safe").load((EXAMPLES / name).read_text(encoding="utf-8"))["services"]
    mounted = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])]

    missing = [
        path for path in mounted if path.startswith(".") and not (EXAMPLES / name).parent.joinpath(path).exists()
    ]

    assert missing == []


@pytest.mark.parametrize("name", names("docker-compose.yml"))
def test_the_ca_key_stays_with_the_proxy(name: str) -> None:
    services = YAML(typ="safe").load((EXAMPLES / name).read_text(encoding="utf-8"))["services"]

    assert not [volume for volume in services["client"]["volumes"] if volume.startswith("ca:")]


@pytest.mark.parametrize("name", names("*.sh"))
def test_a_script_is_executable_and_parses(name: str) -> None:
    script = EXAMPLES / name

    assert os.access(script, os.X_OK)
    subprocess.run(["sh", "-n", str(script)], check=True)


@pytest.mark.parametrize("name", names("*.conf"))
def test_firewall_rules_are_accepted(name: str) -> None:
    nft = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if nft is None or os.geteuid() != 0:
        pytest.skip("needs nft and root: the kernel checks the rules")
    check = [nft, "-c", "-f", str(EXAMPLES / name)]

    outcome = subprocess.run(check, capture_output=True, text=True, check=False)

    if "Operation not permitted" in outcome.stderr:
        pytest.skip("this container may not ask the kernel about firewall rules")
    assert outcome.returncode == 0, outcome.stderr
