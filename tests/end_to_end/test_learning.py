"""A real `npm install` is recorded, learned, replayed, and done again under the rules that were learned."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Fresh
from tests.fakes.configurations import base_config
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.npm_registry import DEPENDENCIES, PROGRAM, SCOPED, NpmRegistry
from tests.fakes.running_proxy import ProxyCA, RunningProxy

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed"),
]


@pytest.fixture
def registry(internet: Internet) -> Iterator[NpmRegistry]:
    with NpmRegistry(ALLOWED, "ok.test", internet.server_context("ok.test")) as registry:
        yield registry


def configuration(internet: Internet, ca: ProxyCA) -> str:
    """Indented, as people write it, so that `-from-config` can edit it."""
    config = base_config(internet, ca)
    del config["transforms"]
    blocks = "".join(f"{key}: {json.dumps(block)}\n" for key, block in config.items())
    rules = "      domains: ['*.test', unused.example]   # everything, for now\n"
    return f"{blocks}transforms:\n  - name: allowlist\n    config:\n{rules}"


def npm_install(proxy: RunningProxy, registry: NpmRegistry, folder: Path) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    (folder / "package.json").write_text("{}")
    host, port = proxy.addresses["tunnel"]
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "HTTPS_PROXY": f"http://{host}:{port}",
        "NPM_CONFIG_CAFILE": str(proxy.ca.certificate), "NPM_CONFIG_REGISTRY": registry.url,
        "NPM_CONFIG_CACHE": str(folder / "cache"), "NPM_CONFIG_FETCH_RETRIES": "0",
    }  # fmt: skip
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-update-notifier", PROGRAM]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def iron_proxy(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "iron_proxy", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def recorded(proxy: RunningProxy, file: Path) -> str:
    """End the proxy and keep what it has said: the audit records, and its own log between them."""
    proxy.ask_to_stop()
    assert proxy.wait_for_exit() == 0
    file.write_text("".join(proxy.lines))
    return str(file)


def test_an_install_is_learned_and_done_again_under_the_rules(
    fresh_proxy: Fresh, registry: NpmRegistry, internet: Internet, proxy_ca: ProxyCA, tmp_path: Path
) -> None:
    proxy = fresh_proxy(configuration(internet, proxy_ca))
    installed = npm_install(proxy, registry, tmp_path / "first")
    assert installed.returncode == 0, installed.stderr
    base, learned = str(proxy.file), str(tmp_path / "learned.yaml")
    audit = recorded(proxy, tmp_path / "audit.jsonl")

    told = iron_proxy("learn", audit, "-from-config", base, "-out", learned)

    assert told.returncode == 0, told.stderr
    assert "domains[1]" in told.stderr
    assert "no request needed it" in told.stderr
    text = Path(learned).read_text()
    # The registry asks for a scoped package by an escaped slash, which no rule with paths admits.
    assert "paths that no rule can name, so any path is allowed" in text
    replayed = iron_proxy("replay", audit, "-config", learned)
    assert (replayed.returncode, replayed.stderr) == (0, "")
    assert " 0 changed." in replayed.stdout

    enforcing = fresh_proxy(text)
    again = npm_install(enforcing, registry, tmp_path / "again")

    assert again.returncode == 0, again.stderr
    modules = tmp_path / "again" / "node_modules"
    assert all((modules / name / "package.json").is_file() for name in [*DEPENDENCIES, SCOPED, PROGRAM])
    enforced = [line for line in enforcing.records() if line["action"] != "allow"]
    assert enforced == []


def test_without_the_scope_the_rules_name_paths_and_nothing_else_passes(
    fresh_proxy: Fresh, registry: NpmRegistry, internet: Internet, proxy_ca: ProxyCA, tmp_path: Path
) -> None:
    proxy = fresh_proxy(configuration(internet, proxy_ca))
    assert npm_install(proxy, registry, tmp_path / "first").returncode == 0
    lines = [json.loads(line) for line in proxy.lines]
    audit = tmp_path / "audit.jsonl"
    audit.write_text("".join(json.dumps(line) + "\n" for line in lines if "scope" not in line.get("path", "")))

    told = iron_proxy("learn", str(audit), "-format", "json")

    (rule,) = json.loads(told.stdout)["rules"]
    assert rule["rule"] == {
        "host": "ok.test", "schemes": ["https"], "ports": [int(registry.url.rpartition(":")[2].strip("/"))],
        "methods": ["GET"], "paths": ["/*/-/*.tgz", "/?*"],
    }  # fmt: skip
    assert {text: each["paths"] for text, each in rule["paths"].items()} == {"/*/-/*.tgz": 37, "/?*": 37}


def test_logs_show_what_an_install_did(
    fresh_proxy: Fresh, registry: NpmRegistry, internet: Internet, proxy_ca: ProxyCA, tmp_path: Path
) -> None:
    config: dict[str, Any] = base_config(internet, proxy_ca)
    config["transforms"] = [{"name": "allowlist", "config": {"domains": ["other.example"]}}]
    proxy = fresh_proxy(config)
    assert npm_install(proxy, registry, tmp_path / "first").returncode != 0
    audit = recorded(proxy, tmp_path / "audit.jsonl")

    shown = iron_proxy("logs", "-denied", audit)

    assert shown.returncode == 0
    port = registry.url.rpartition(":")[2].strip("/")
    lines = shown.stdout.splitlines()
    assert lines[0].startswith(f"ok.test:{port}  ")
    assert f"      ports: [{port}]" in lines
    assert "nobody knows what would have come inside" in shown.stdout
