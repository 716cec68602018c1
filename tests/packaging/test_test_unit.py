"""scripts/test-unit: every unit test that is not slow, once, in however many processes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "test-unit"
PASSES = "def test_passes(): pass\n"


class Checkout:
    """A folder with the script, tests, and a machine of so many cores."""

    def __init__(self, folder: Path, cores: int) -> None:
        self.folder = folder
        (folder / "scripts").mkdir()
        shutil.copy(SCRIPT, folder / "scripts")
        (folder / "nproc").write_text(f"#!/bin/sh\necho {cores}\n")
        (folder / "nproc").chmod(0o755)

    def write(self, name: str, text: str) -> None:
        file = self.folder / "tests" / "unit" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(self, *arguments: str) -> tuple[int, str]:
        command: list[str | Path] = [self.folder / "scripts" / "test-unit", sys.executable, *arguments]
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
        assert done.stderr == ""
        return done.returncode, done.stdout


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_every_file_is_run_once_and_no_test_that_is_slow(tmp_path: Path, cores: int) -> None:
    checkout = Checkout(tmp_path, cores)
    for number in range(5):
        checkout.write(f"part_{number % 2}/test_{number}.py", f"def test_{number}(): print('ran {number}')\n")
    checkout.write("test_slow.py", PASSES + "import pytest\n@pytest.mark.slow\ndef test_slow(): print('ran slow')\n")

    status, output = checkout.run("-s")

    assert status == 0
    assert sorted(re.findall(r"ran (\w+)", output)) == ["0", "1", "2", "3", "4"]


def test_one_that_fails_anywhere_fails_the_run_and_is_told(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, 3)
    for name in ("test_a.py", "test_b.py", "test_c.py"):
        checkout.write(name, PASSES)
    checkout.write("test_d.py", "def test_fails(): assert 'this' == 'that'\n")

    status, output = checkout.run()

    assert status == 1
    assert "assert 'this' == 'that'" in output


def test_a_choice_that_a_part_has_nothing_of_is_no_failure_unless_none_has(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, 2)
    checkout.write("test_a.py", "def test_one(): pass\n")
    checkout.write("test_b.py", "def test_other(): pass\n")

    assert checkout.run("-k", "test_one")[0] == 0
    assert checkout.run("-k", "nothing")[0] == 5
