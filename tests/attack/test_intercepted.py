"""Cases of requests once more, with clients whose connections the kernel brings in."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.attack.intercepted import OPTION, OTHERWISE, two_namespaces
from tests.fakes.routed_network import why_not

ROOT = Path(__file__).resolve().parents[2]
WHY_NOT = why_not()
pytestmark = [pytest.mark.root, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "it can")]
# More than this run: a case that no longer has a way in must not pass as one that holds.
AT_LEAST = 650


def test_every_exception_is_a_test() -> None:
    text = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))

    assert not [name for name in OTHERWISE if f"def {name.partition('[')[0]}(" not in text]


def test_no_case_fares_otherwise_over_tproxy() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    with two_namespaces() as (here, clients):
        command = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", "tests/attack", OPTION, clients)
        done = subprocess.run(
            ["ip", "netns", "exec", here, sys.executable, *command],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False,
        )  # fmt: skip

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > AT_LEAST
