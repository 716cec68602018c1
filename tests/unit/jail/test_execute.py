import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes.namespaces import SOURCE

from iron_proxy.jail.execute import become, candidates


@pytest.mark.parametrize(
    ("name", "path", "found"),
    [
        ("ls", "/a:/b", ["/a/ls", "/b/ls"]),
        ("ls", "/a::/b", ["/a/ls", "./ls", "/b/ls"]),
        ("./ls", "/a", ["./ls"]),
        ("/x/ls", "/a", ["/x/ls"]),
        ("", "/a", []),
    ],
)
def test_a_command_is_looked_for_where_a_shell_would(name: str, path: str, found: list[str]) -> None:
    assert candidates(name, path) == found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plain").write_text("not executable")
    (tmp_path / "script").write_text("echo from the shell: $1 $NAME")
    (tmp_path / "script").chmod(0o755)
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("missing", errno.ENOENT),
        ("plain", errno.EACCES),
        ("folder", errno.EACCES),
        ("plain/below", errno.ENOENT),
        ("./missing", errno.ENOENT),
        ("", errno.ENOENT),
    ],
)
def test_a_command_that_cannot_be_started_says_why(folder: Path, name: str, number: int) -> None:
    assert become([name], {"PATH": str(folder)}).errno == number


def test_one_that_may_not_be_run_does_not_end_the_search(folder: Path) -> None:
    error = become(["plain"], {"PATH": f"{folder}:/nowhere"})

    assert error.errno == errno.EACCES


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_a_folder_that_may_not_be_looked_into_has_nothing(folder: Path) -> None:
    (folder / "folder").chmod(0)

    assert become(["missing"], {"PATH": f"{folder}/folder:{folder}"}).errno == errno.ENOENT


def test_a_script_without_a_first_line_is_run_by_the_shell(folder: Path) -> None:
    code = (
        f"import sys; sys.path.append({str(SOURCE)!r}); from iron_proxy.jail.execute import become; "
        f"become(['script', 'word'], {{'PATH': {str(folder)!r}, 'NAME': 'value'}})"
    )

    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=20)

    assert done.stdout == "from the shell: word value\n"
