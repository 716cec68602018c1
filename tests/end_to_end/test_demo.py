"""`iron-proxy demo` as a person runs it."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

COMMAND = [sys.executable, "-m", "iron_proxy", "demo"]


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(tmp_path), **more}


def test_the_demo_succeeds_in_less_than_five_seconds_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        COMMAND, env=environment(tmp_path, COLUMNS="120"), capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    said = re.search(r"All 7 requests went as they should, in ([0-9.]+) s\.", done.stdout)
    assert said is not None
    assert float(said[1]) < 5
    assert "\x1b[" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_json_twin_has_all_seven_requests(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--json"], env=environment(tmp_path), capture_output=True, text=True, timeout=30, check=False
    )

    content = json.loads(done.stdout)
    assert (done.returncode, content["ok"], content["surprises"]) == (0, True, [])
    assert [request["client_saw"]["status"] for request in content["requests"]] == [200, 403, 200, 200, 200, 101, 200]
    assert content["requests"][1]["origin_saw"] == []
    assert content["requests"][1]["audit"]["rejected_by"] == "allowlist"
    assert content["names_looked_up"] == ["httpbin.org"]


def test_it_runs_where_the_output_is_ascii_only(tmp_path: Path) -> None:
    done = subprocess.run(
        COMMAND, env=environment(tmp_path, PYTHONIOENCODING="ascii"), capture_output=True, timeout=30, check=False
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()


def test_a_demo_that_is_told_to_stop_takes_everything_with_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        COMMAND, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        demo.stdout.readline()
        demo.send_signal(signal.SIGTERM)
        _, errors = demo.communicate(timeout=30)

    assert (demo.returncode, errors) == (1, "error: interrupted; everything has been stopped and removed\n")
    assert list(tmp_path.iterdir()) == []
