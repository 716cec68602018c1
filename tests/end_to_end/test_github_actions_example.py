"""The steps of the workflow, run in order in a network namespace as a runner runs them."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.clients.namespace import Namespace, NamespaceUnavailable

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow, pytest.mark.root]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "github-actions"
STATE = "/tmp/iron-proxy"


class Runner:
    """Runs steps as GitHub's does: bash with -e and pipefail, and what a step writes into $GITHUB_ENV for the next."""

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        job = YAML(typ="safe").load((EXAMPLE / "workflow.yml").read_text(encoding="utf-8"))["jobs"]["build"]
        self._steps: dict[str, dict[str, Any]] = {step["id"]: step for step in job["steps"] if "id" in step}
        self._namespace = namespace
        self._folder = folder
        self.state = folder / "state"
        self.state.mkdir()
        (folder / ".github").mkdir()
        configuration = (EXAMPLE / "iron-proxy.yaml").read_text(encoding="utf-8")
        (folder / ".github" / "iron-proxy.yaml").write_text(configuration.replace(STATE, str(self.state)))
        program = folder / "bin" / "iron-proxy"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m iron_proxy "$@"\n')
        program.chmod(0o755)
        self.environment = {
            "PATH": f"{program.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder),
            "GITHUB_ENV": str(folder / "env"), "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        }  # fmt: skip

    def step(self, name: str, **more: str) -> subprocess.CompletedProcess[str]:
        return self.run(self._steps[name]["run"].replace(STATE, str(self.state)), **more)

    def run(self, script: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [*self._namespace.prefix(dns=False), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        done = subprocess.run(
            command, cwd=self._folder, env={**self.environment, **more}, capture_output=True, text=True, check=False,
            timeout=120,
        )  # fmt: skip
        written = self._folder / "env"
        if written.exists():
            self.environment |= dict(line.split("=", 1) for line in written.read_text().splitlines())
        return done

    def close(self) -> None:
        listed = subprocess.run(["ip", "netns", "pids", self._namespace.with_dns], capture_output=True, check=False)
        for pid in listed.stdout.split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGTERM)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    for program in ("bash", "curl", "git", "jq"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    namespace = Namespace("actions")
    try:
        namespace.open()
    except NamespaceUnavailable as reason:
        pytest.skip(str(reason))
    made = Runner(namespace, tmp_path)
    try:
        yield made
    finally:
        made.close()
        namespace.close()


def test_the_job_is_wired_checked_and_told_what_was_refused(runner: Runner) -> None:
    for name, more in (("start", {"NPM_TOKEN": "real-npm-token"}), ("wire", {}), ("check", {})):
        done = runner.step(name, **more)
        assert done.returncode == 0, done.stdout + done.stderr

    refused = runner.run("curl --silent --show-error https://example.com/")
    summary = runner.step("refused")

    assert "403" in refused.stderr
    assert runner.environment["HTTPS_PROXY"] == "http://127.0.0.1:8080"
    assert "NPM_TOKEN" not in runner.environment
    assert summary.returncode == 0, summary.stderr
    text = Path(runner.environment["GITHUB_STEP_SUMMARY"]).read_text()
    assert "`CONNECT example.com" in text
    assert "real-npm-token" not in text
