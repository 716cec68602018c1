"""The steps of action.yml and summary/action.yml, run in a network namespace as a runner runs them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.fakes.run_world import ROOT, SECRET, RunWorld

pytestmark = [pytest.mark.end_to_end, pytest.mark.root]

ACTION, SUMMARY = ROOT / "action.yml", ROOT / "summary" / "action.yml"
CODE = "curl -sS -o /dev/null -w '%{http_code}' "


class Job:
    """A job: steps of composite actions and of its own, with the files that the runner gives them."""

    def __init__(self, world: RunWorld, folder: Path) -> None:
        self._world, self.folder = world, folder
        self.temp = folder / "temp"
        program = self.temp / "iron-proxy" / "bin" / "iron-proxy"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m iron_proxy "$@"\n')
        program.chmod(0o755)
        self.environment = world.environment() | {"RUNNER_TEMP": str(self.temp), "GITHUB_WORKSPACE": str(folder)}
        for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
            self.environment[name] = str(folder / name)
            (folder / name).touch()

    def use(self, action: Path, step: str, inputs: dict[str, str], **env: str) -> subprocess.CompletedProcess[str]:
        loaded: dict[str, Any] = YAML(typ="safe").load(action.read_text(encoding="utf-8"))
        given = {name: each.get("default", "") for name, each in loaded["inputs"].items()} | inputs
        wanted = next(each for each in loaded["runs"]["steps"] if each.get("id") == step)
        expressions = {f"${{{{ inputs.{name} }}}}": value for name, value in given.items()}
        variables = {name: expressions[text] for name, text in wanted["env"].items()}
        return self.run(wanted["run"], **env, **variables)

    def run(self, script: str, **more: str) -> subprocess.CompletedProcess[str]:
        words = [
            *self._world.namespace.prefix(dns=True),
            "bash",
            "--noprofile",
            "--norc",
            "-eo",
            "pipefail",
            "-c",
            script,
        ]
        done = subprocess.run(
            words, cwd=self.folder, env={**self.environment, **more}, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        lines = self.text("GITHUB_ENV").splitlines()
        self.environment |= dict(line.split("=", 1) for line in lines)
        return done

    def start(self, inputs: dict[str, str], **env: str) -> None:
        done = self.use(ACTION, "start", inputs, **env)
        assert done.returncode == 0, done.stdout + done.stderr

    def stop(self, **inputs: str) -> subprocess.CompletedProcess[str]:
        return self.use(SUMMARY, "stop", {name.replace("_", "-"): value for name, value in inputs.items()})

    def text(self, variable: str) -> str:
        return (self.folder / variable).read_text()

    @property
    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.text("GITHUB_OUTPUT").splitlines())

    @property
    def process_id(self) -> int:
        return int(json.loads((self.temp / "iron-proxy-job" / "state.json").read_text())["pid"])

    def close(self) -> None:
        with suppress(OSError, KeyError):
            os.kill(self.process_id, signal.SIGTERM)


@pytest.fixture
def job(run_world: RunWorld, tmp_path: Path) -> Iterator[Job]:
    made = Job(run_world, tmp_path)
    yield made
    made.close()


def test_enforce_refuses_what_no_rule_allows_and_the_summary_tells_it(job: Job, run_world: RunWorld) -> None:
    mark = run_world.mark()
    secret = {"API_KEY": SECRET}

    job.start({"mode": "enforce", "allow": "example.com", "secrets": "API_KEY@api.example.com"}, **secret)
    codes = [job.run(CODE + url).stdout for url in ("https://example.com/a", "https://other.test/x")]
    job.run('curl -sS -H "Authorization: Bearer $API_KEY" https://api.example.com/k')
    hostile = job.run(CODE + r"-H 'Host: a`|<b>' http://example.com/; true")
    done = job.stop(fail_on_denied="true")

    assert codes == ["200", "000"], hostile.stderr  # its tunnel was refused
    assert job.environment["API_KEY"] != SECRET
    assert [each["path"] for each in run_world.arrived(mark)] == ["/a", "/k"]
    assert done.returncode == 1
    assert "::error title=iron-proxy::denied: other.test:443 (1): no rule matches the host\n" in done.stdout
    summary = job.text("GITHUB_STEP_SUMMARY")
    assert "| <code>example&#46;com</code> | 1 | 0 | 0 |" in summary
    assert "| <code>other&#46;test&#58;443</code> | 1 | <code>no rule matches the host</code> |" in summary
    assert '- host: "example.com"' in summary
    assert "<b>" not in summary
    assert job.outputs["allowed-hosts"] == "api.example.com example.com"
    assert int(job.outputs["denied-count"]) >= 1
    assert SECRET not in summary + done.stdout + Path(job.outputs["audit-log"]).read_text()


def test_warn_refuses_nothing_and_tells_what_enforce_would(job: Job) -> None:
    job.start({"allow": "example.com"})
    codes = [job.run(CODE + url).stdout for url in ("https://example.com/a", "https://other.test/x")]
    done = job.stop()

    assert (codes, done.returncode) == (["200", "200"], 0), done.stderr
    assert "::warning title=iron-proxy::would be denied: other.test (1)\n" in done.stdout
    assert job.outputs["denied-count"] == "1"
    assert '- host: "other.test"' in job.text("GITHUB_STEP_SUMMARY")


def test_after_the_summary_nobody_trusts_the_ca_and_the_process_is_gone(job: Job) -> None:
    job.start({"mode": "enforce", "allow": "example.com"})
    folder = job.temp / "iron-proxy-job"
    authority = (folder / "ca.crt").read_text()
    bundles = [Path(job.environment[name]) for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")]
    assert all(authority.strip() in bundle.read_text() for bundle in bundles)
    assert not any("PRIVATE KEY" in path.read_text(errors="replace") for path in folder.iterdir() if path.is_file())

    assert job.stop().returncode == 0

    assert not any(authority.strip() in bundle.read_text() for bundle in bundles)
    assert job.environment["HTTPS_PROXY"] == ""
    assert job.run(CODE + "https://example.com/").stdout == "200"
    command_line = Path(f"/proc/{job.process_id}/cmdline")
    assert not command_line.exists() or command_line.read_bytes() == b""  # of a zombie, where nobody reaps


def test_a_proxy_that_was_killed_before_the_end_is_told(job: Job) -> None:
    job.start({"mode": "enforce", "allow": "example.com"})
    process = os.pidfd_open(job.process_id)
    signal.pidfd_send_signal(process, signal.SIGKILL)
    os.close(process)

    done = job.stop(fail_on_denied="true")

    assert done.returncode == 1
    assert "the proxy ended before the job did" in done.stdout
    assert "The proxy ended before the job did" in job.text("GITHUB_STEP_SUMMARY")


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"mode": "strict"}, 'input mode: "strict" is none'),
        ({"secrets": "sk-live-value"}, "input secrets: write VARIABLE@HOST"),
        ({"secrets": "MISSING@example.com"}, "-secret MISSING: the variable is not set"),
        ({"presets": "pipp"}, 'there is no preset "pipp"'),
        ({"config": "none.yaml"}, "none.yaml"),
    ],
    ids=["mode", "value", "unset", "preset", "config"],
)
def test_a_wrong_input_is_named(job: Job, inputs: dict[str, str], said: str) -> None:
    done = job.use(ACTION, "start", inputs)

    assert done.returncode in (1, 2)
    assert said in done.stdout
    assert "sk-live-value" not in done.stdout + done.stderr
    assert job.text("GITHUB_ENV") == ""
